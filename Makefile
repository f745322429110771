# The targets are explained in docs/testing.md.
.PHONY: test check test-all hsm crash load fuzz bench build demo packages lint race processes

GO      ?= go
FUZZTIME ?= 30s
BENCH    ?= .

# Packages whose tests kill or time processes, or start a whole server each: they run without the race detector, after the
# others and one by one. The whole servers of listd run under it in test-all.
PROCESSES = ./listd ./listd/e2e
RACED     = $$($(GO) list ./... | grep -v -e '/listd$$' -e '/listd/e2e$$')

# Packages with tests of keys in a security module, which is an optional build: it needs cgo.
PKCS11 = ./listd/hsm ./listd/keyring ./listd ./cmd/listmaster

# Where the packages can be installed, a test that lacks its server fails instead of being skipped.
PEERS := $(shell [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && echo SEALIST_REQUIRE_PEERS=1)

test: packages lint race processes

# The inner loop: no race detector, short tests, whatever is installed.
check: lint
	$(GO) test -short ./...

# Everything, with the slow and rare parts, alone on the machine.
test-all: test
	@SEALIST_SLOW=1 sh .ci/packages
	$(PEERS) SEALIST_SLOW=1 $(GO) test -count=1 -timeout 60m ./...
	$(PEERS) $(GO) test -race -timeout 30m ./listd
	@if command -v cc > /dev/null; then $(MAKE) hsm; else echo 'no C compiler: keys in a security module (-tags pkcs11) are not tested'; fi
	SEALIST_TIMING=1 $(GO) test -count=1 -timeout 60m -p 1 -v -run Timing ./smime/cms

packages:
	@sh .ci/packages

lint:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags crashpoint ./listd/...
	@! command -v cc > /dev/null || $(GO) vet -tags pkcs11 $(PKCS11)
	$(GO) tool staticcheck ./...

race:
	$(PEERS) $(GO) test -race -timeout 15m $(RACED)

processes:
	$(PEERS) $(GO) test -p 1 -timeout 15m $(PROCESSES)

# Keys in a security module: the optional build, with tokens of SoftHSM2.
hsm:
	@SEALIST_SLOW=1 sh .ci/packages
	$(PEERS) CGO_ENABLED=1 $(GO) test -count=1 -timeout 15m -tags pkcs11 ./listd/hsm
	$(PEERS) CGO_ENABLED=1 $(GO) test -count=1 -timeout 15m -tags pkcs11 -run 'Module|HSM' ./listd/keyring ./listd ./cmd/listmaster

# N kills of running servers, chosen by SEED, over DB (sqlite or postgres).
crash: packages
	SEALIST_KILLS=$(N) SEALIST_SEED=$(SEED) SEALIST_DB=$(DB) $(GO) test -count=1 -timeout 60m -v -run KilledAgain ./listd/e2e

# Posts of all sizes to many lists through Postfix.
load: packages
	SEALIST_SLOW=1 $(GO) test -count=1 -timeout 30m -v -run Load ./listd/e2e

# Each fuzz target for FUZZTIME.
fuzz:
	@grep -rEl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u | while read -r package; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$package"/*_test.go); do \
			echo "$$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$package" || exit 1; \
		done; \
	done

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

build:
	$(GO) build -o bin/ ./cmd/...

demo:
	$(GO) run ./cmd/listd demo
