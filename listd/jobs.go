package listd

import (
	"context"
	"fmt"
	"time"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/listd/task"
	"github.com/sealist/sealist/resolver"
)

// Tasks returns the scheduler of everything that is done from time to time, for a process that leases call owner.
func (s *Sealist) Tasks(owner string) *task.Scheduler {
	return task.New(s.Store, s.counted(s.jobs()), task.Options{Owner: owner, Clock: s.o.Clock, Log: s.log.With("room", "task")})
}

func (s *Sealist) jobs() []task.Job {
	return []task.Job{
		{Name: "purge", Every: time.Hour, Run: s.purge},
		{Name: "held_expire", Every: time.Hour, Run: s.expireHeld},
		{Name: "moderation_reminder", Every: 24 * time.Hour, Run: s.remindEditors},
		{Name: "digest", Every: time.Minute, Run: s.gatherDigests},
		{Name: "withheld_retry", Every: time.Minute, Run: s.retryWithheld},
		{Name: "sender_report", Every: time.Minute, Run: s.reportToSenders},
		{Name: "owners_report", Every: 24 * time.Hour, Run: s.reportToOwners},
		{Name: "process_bouncers", Every: 10 * time.Minute, Run: s.processBouncers},
		{Name: "key_retire", Every: time.Hour, Run: s.retireKeys},
		{Name: "include_sync", Every: time.Minute, Run: s.Includes.SyncDue},
		{Name: "ledger_expire", Every: time.Hour, Run: s.expireLedgers},
		{Name: "harvest_expire", Every: time.Hour, Run: s.expireHarvest},
		{Name: "listmaster_report", Every: 24 * time.Hour, Run: s.report},
		{Name: "crl_update", Every: time.Minute, Run: s.updateCRLs},
		{Name: "chk_cert_expiration", Every: 24 * time.Hour, Run: s.checkCertExpiration},
		{Name: "resolver_refresh", Every: time.Minute, Run: resolver.NewRefresher(s.Resolver, s.Store).Refresh},
	}
}

// maxStrangers is how many harvested certificates are kept of people who are members of no list.
const maxStrangers = 10_000

// expireHarvest forgets harvested certificates that were not seen for long, and those of too many strangers.
func (s *Sealist) expireHarvest(ctx context.Context) (string, error) {
	n, err := s.Store.ExpireHarvest(ctx, s.o.Clock().Add(-time.Duration(s.Config.Harvest.Expire)), maxStrangers)
	if n == 0 {
		return "", err
	}
	return fmt.Sprintf("forgot %d harvested certificates", n), err
}

// expireLedgers forgets signatures that would not count any more, tokens and
// logins that are over, and of which certificates' ends people were told long ago.
func (s *Sealist) expireLedgers(ctx context.Context) (string, error) {
	signatures, err := s.Store.ExpireTraces(ctx)
	if err != nil {
		return "", err
	}
	tokens, err := s.Store.ExpireTokens(ctx)
	if err != nil {
		return "", err
	}
	logins, err := s.Store.ExpireSessions(ctx)
	if err != nil {
		return "", err
	}
	told, err := s.Store.ForgetExpiries(ctx)
	if err != nil || signatures+tokens+logins+told == 0 {
		return "", err
	}
	return fmt.Sprintf("forgot %d signatures of posts, %d tokens, %d logins and %d ends of certificates that were told", signatures, tokens, logins, told), nil
}

// retireKeys destroys the private keys whose end has come, but for those of lists
// that have messages which may still have to be opened.
func (s *Sealist) retireKeys(ctx context.Context) (string, error) {
	retired, waiting, err := s.Keyring.RetireDue(ctx)
	for _, k := range retired {
		if err := s.Store.Audit(ctx, store.AuditEntry{Actor: "key_retire", Action: "key retire", List: k.List, Object: k.Fingerprint, Detail: map[string]string{"until": k.Until.UTC().Format(time.RFC3339)}}); err != nil {
			s.log.Error("the audit log could not be written", "err", err)
		}
	}
	if err != nil || len(retired)+len(waiting) == 0 {
		return "", err
	}
	return fmt.Sprintf("destroyed %d private keys; %d wait for messages that may be encrypted to them", len(retired), len(waiting)), nil
}

// updateCRLs fetches what goes out of date, and forgets what nobody has asked about for a month.
func (s *Sealist) updateCRLs(ctx context.Context) (string, error) {
	if _, err := s.Store.PruneCRLs(ctx, s.o.Clock().AddDate(0, -1, 0)); err != nil {
		return "", err
	}
	return s.Revocation.Refresh(ctx)
}

// purge removes the octets of posts that have been finished for long, and, much
// later, what is known of them and who did what.
func (s *Sealist) purge(ctx context.Context) (string, error) {
	withheld, err := s.withheldUntil(ctx)
	if err != nil {
		return "", err
	}
	now := s.o.Clock()
	octets, err := s.Store.Purge(ctx, now.Add(-keepFinished), withheld)
	if err != nil {
		return "", err
	}
	rows, err := s.Store.PurgeRows(ctx, now.Add(-time.Duration(s.Config.Queue.Keep)))
	if err != nil {
		return "", err
	}
	entries, err := s.Store.PurgeAudit(ctx, now.Add(-time.Duration(s.Config.Audit.Keep)))
	if err != nil || octets+rows+entries == 0 {
		return "", err
	}
	return fmt.Sprintf("removed the octets of %d finished posts, what was known of %d, and %d entries of the audit log", octets, rows, entries), nil
}
