package queue

import (
	"github.com/sealist/sealist/listd/bounce"
	"github.com/sealist/sealist/listd/relay"
	"github.com/sealist/sealist/listd/store"
)

// failure is what a copy that came to nothing counts against its member: a
// refusal of the next hop, or its last word in all the time that was given. What
// the hop says of itself or of the sender is nobody's failure.
func failure(d store.Delivery, r relay.Result) *store.Failure {
	if d.Kind != store.KindCopy || r.Stage == relay.StageConnect || r.Stage == relay.StageMail {
		return nil
	}
	status := bounce.FromReply(r.Code, r.Enhanced)
	text := r.String()
	if r.Code == 0 && r.Err != nil {
		text = r.Err.Error()
	}
	return &store.Failure{Kind: store.FailureSMTP, Status: status, Points: status.Weight(), Text: text}
}
