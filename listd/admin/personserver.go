package admin

import (
	"context"

	"github.com/sealist/sealist/listd/store"
	"github.com/sealist/sealist/smime"
)

// What answers of the server's own matters are made of.
type (
	CacheStat     = store.AnswerStat
	TaskRun       = store.TaskRun
	MessageReport = smime.Report
)

// CreateList is `list create` without a key file.
func (p Person) CreateList(ctx context.Context, n NewList) (ListDetails, []string, error) {
	if err := p.server(); err != nil {
		return ListDetails{}, nil, err
	}
	return p.a.CreateList(ctx, n)
}

// RemoveList is `list rm`.
func (p Person) RemoveList(ctx context.Context, listText string) error {
	if err := p.server(); err != nil {
		return err
	}
	return p.a.RemoveList(ctx, listText)
}

// KeptCertificates is `cert ls`.
func (p Person) KeptCertificates(ctx context.Context, q CertificateQuery) ([]KeptCertificate, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.Certificates(ctx, q)
}

// KeptCertificate is `cert show`.
func (p Person) KeptCertificate(ctx context.Context, what string) ([]KeptCertificate, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.ShowCertificate(ctx, what)
}

// fingerprint lets a listmaster name a certificate by its fingerprint alone: for
// the commands any other text is a file of this machine.
func (p Person) fingerprint(text string) error {
	if err := p.server(); err != nil {
		return err
	}
	if !isFingerprint(text) {
		return usage("write the SHA-256 in hex, or the beginning of it", "%q is no fingerprint", Printable(text[:min(len(text), 100)]))
	}
	return nil
}

// Pin is `cert pin` of a certificate in the database.
func (p Person) Pin(ctx context.Context, address, fingerprint string) (Marked, error) {
	if err := p.fingerprint(fingerprint); err != nil {
		return Marked{}, err
	}
	return p.a.Pin(ctx, address, fingerprint)
}

// Unpin is `cert unpin`.
func (p Person) Unpin(ctx context.Context, address string) (int, error) {
	if err := p.server(); err != nil {
		return 0, err
	}
	return p.a.Unpin(ctx, address)
}

// Block is `cert block`.
func (p Person) Block(ctx context.Context, fingerprint, reason string) (Marked, error) {
	if err := p.fingerprint(fingerprint); err != nil {
		return Marked{}, err
	}
	return p.a.Block(ctx, fingerprint, reason)
}

// Unblock is `cert unblock`.
func (p Person) Unblock(ctx context.Context, fingerprint string) (int, error) {
	if err := p.fingerprint(fingerprint); err != nil {
		return 0, err
	}
	return p.a.Unblock(ctx, fingerprint)
}

// Cache is `cache ls`.
func (p Person) Cache(ctx context.Context, f CacheFilter) ([]CachedAnswer, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.CachedAnswers(ctx, f)
}

// CacheStats is `cache stat`.
func (p Person) CacheStats(ctx context.Context) ([]CacheStat, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.CacheStats(ctx)
}

// FlushCache is `cache flush`.
func (p Person) FlushCache(ctx context.Context, addresses []string, source string, all bool) (int, error) {
	if err := p.server(); err != nil {
		return 0, err
	}
	return p.a.FlushCache(ctx, addresses, source, all)
}

// TestDirectories is `directory test`.
func (p Person) TestDirectories(ctx context.Context, name, address string) ([]DirectoryTest, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.TestDirectories(ctx, name, address)
}

// CRLs is `crl ls`.
func (p Person) CRLs(ctx context.Context) ([]CRL, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.CRLs(ctx)
}

// FetchCRLs is `crl fetch`.
func (p Person) FetchCRLs(ctx context.Context, url string) ([]CRL, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.FetchCRLs(ctx, url)
}

// Inspect is `message inspect` without any file: no keys, and of revocation what
// the message holds.
func (p Person) Inspect(octets []byte, rcpt, at string) (MessageReport, error) {
	if err := p.server(); err != nil {
		return MessageReport{}, err
	}
	return Inspect(octets, Inspection{Rcpt: rcpt, At: at})
}

// Scenarios is `scenario ls`.
func (p Person) Scenarios(ctx context.Context, function, listText string) ([]ScenarioDetails, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.ListScenarios(ctx, function, listText)
}

// Scenario is `scenario show`.
func (p Person) Scenario(ctx context.Context, name, listText string) (ScenarioDetails, error) {
	if err := p.server(); err != nil {
		return ScenarioDetails{}, err
	}
	return p.a.ShowScenario(ctx, name, listText)
}

// Tasks is `task ls`.
func (p Person) Tasks(ctx context.Context) ([]Task, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.Tasks(ctx)
}

// RunTask is `task run`.
func (p Person) RunTask(ctx context.Context, name string) (TaskRun, error) {
	if err := p.server(); err != nil {
		return TaskRun{}, err
	}
	return p.a.RunTask(ctx, name)
}

// Nodes is `node ls`.
func (p Person) Nodes(ctx context.Context) ([]Node, error) {
	if err := p.server(); err != nil {
		return nil, err
	}
	return p.a.Nodes(ctx)
}
