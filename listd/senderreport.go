package listd

import (
	"context"
	"errors"
	"fmt"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/notice"
	"github.com/sealist/sealist/listd/scenario"
	"github.com/sealist/sealist/listd/store"
)

// reportPage is how many posts are reported in one run.
const reportPage = 500

// reportToSenders tells authors, as their list's sender_report says, that not
// everybody was reached. Only who was authenticated hears anything; of others'
// posts the owners hear.
func (s *Sealist) reportToSenders(ctx context.Context) (string, error) {
	items, err := s.Store.UnreportedItems(ctx, reportPage)
	if err != nil {
		return "", err
	}
	told := 0
	for _, item := range items {
		n, err := s.senderReport(ctx, item)
		if err != nil {
			return "", err
		}
		if err := s.Store.ReportItem(ctx, item.ID, n...); err != nil {
			return "", err
		}
		told += len(n)
	}
	if told == 0 {
		return "", nil
	}
	return fmt.Sprintf("told %d authors whom their posts reached", told), nil
}

// senderReport is the mail about one post, if there is any.
func (s *Sealist) senderReport(ctx context.Context, item store.Item) ([]store.Notice, error) {
	if item.Kind != store.KindPost || item.Reason != "" || item.Author.IsZero() || item.Copies == 0 {
		return nil, nil
	}
	l, err := s.Store.ListByID(ctx, item.List)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	counts, err := s.Store.CountDeliveries(ctx, item.ID)
	if err != nil {
		return nil, err
	}
	missed := counts[store.DeliveryWithheld] + counts[store.DeliveryFailed]
	if l.Policy.SenderReport == list.ReportNever || l.Policy.SenderReport == list.ReportFailures && missed == 0 {
		return nil, nil
	}
	params := map[string]string{"message_id": item.MessageID, "counts": "", "missed": ""}
	if missed > 0 {
		params["missed"] = "yes"
	}
	if s.mayReview(ctx, l, item) {
		params["counts"] = "yes"
		params["relayed"], params["withheld"], params["failed"] = fmt.Sprint(counts[store.DeliveryRelayed]), fmt.Sprint(counts[store.DeliveryWithheld]), fmt.Sprint(counts[store.DeliveryFailed])
		params["kept"] = l.Policy.WithheldFor.String()
	}
	return []store.Notice{{
		Template: notice.SenderReport, List: l.ID, To: item.Author, Params: params,
		Key: notice.SenderReport + "/" + item.Author.Key(), Every: noticeDay, Limit: 20,
	}}, nil
}

// mayReview tells whether the author of a post may see who is on the list: only
// then he learns how many are.
func (s *Sealist) mayReview(ctx context.Context, l list.List, item store.Item) bool {
	sc, err := s.Scenarios.Load(scenario.Review, l.Policy.Scenarios.Review, l.Address)
	if err != nil {
		return false
	}
	d := sc.Evaluate(ctx, scenario.Request{List: l, Sender: item.Author, Method: scenario.Method(item.Method), Now: s.o.Clock()}, s.Facts())
	return d.Action == scenario.DoIt && d.Err == nil
}
