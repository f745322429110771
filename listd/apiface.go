package listd

import (
	"net/http"
	"strings"
	"time"

	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/api"
	"github.com/sealist/sealist/listd/web"
)

// allUseCases is what a listmaster's commands need, too.
func (s *Sealist) allUseCases() admin.Parts {
	p := s.useCases()
	p.Includes, p.Notices, p.ReadMessage = s.Includes, s.Notices, ReadMessage
	p.Caching = admin.Caching{Positive: time.Duration(s.Config.Resolver.PositiveTTL), Negative: time.Duration(s.Config.Resolver.NegativeTTL)}
	p.Fetcher, p.Graces, p.Scheduler = s.Revocation, s.Graces(), s.Tasks(s.Config.Node+", for the API")
	for _, d := range s.Directories {
		p.Directories = append(p.Directories, d)
	}
	return p
}

// withAPI puts the API beside the pages.
func (s *Sealist) withAPI(pages *web.Server, host string) func(http.Handler) http.Handler {
	resources := api.New(api.Parts{Bearer: admin.New(s.allUseCases()).Bearer, Client: pages.Client, Host: host, Clock: s.o.Clock, Log: s.log.With("room", "api")})
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/api/") {
				resources.ServeHTTP(w, r)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
}
