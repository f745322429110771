package smtpd

import (
	"errors"
	"slices"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/store"
)

// Every refusal is counted under a word that is known, and every word is used.
func TestWords(t *testing.T) {
	used := map[string]bool{}
	for _, err := range []error{
		errReversePath, errUTF8, list.ErrAddress, errRelaying, errNoList, store.ErrNotFound, errNoReturn, errClosed, errTooLarge, smtp.ErrDataTooLarge, errOctets,
		errUnended, errLoop, errNested, errChunks, errConnections, errNetwork, errMessages, errTransactions, errRecipients, errMemory, errTooSlow, errBrokeOff,
		store.ErrBusy, store.ErrFull, errNoRoom, store.ErrUnreachable, errors.New("anything else"), nil,
	} {
		word, _ := refusal(err)
		if !slices.Contains(Refusals(), word) {
			t.Errorf("%v is counted as %q", err, word)
		}
		used[word] = true
	}
	for _, word := range Refusals() {
		if !used[word] {
			t.Errorf("nothing is counted as %s", word)
		}
	}
}
