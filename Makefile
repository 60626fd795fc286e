# Weir's workshop. Every target is a few lines; what is longer is a Go program or a script in its own place.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export CGO_ENABLED := 0
GO ?= go
GOTEST ?= $(GO) test
BIN := bin
PKGS ?= ./...

##@ Use
demo: build ## run the whole product in network namespaces against real attacks (DEMO_SECONDS=N ends by itself)
	@$(BIN)/demo --setup $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

build: ## static binaries into bin/
	$(GO) build -trimpath -o $(BIN)/ ./cmd/... ./internal/lab/demo

##@ Check
test: lint ## everything CI runs (the namespace and browser tests need root, and say what they lack)
	@./test/prepare
	$(GOTEST) -timeout 20m $(PKGS)

e2e: ## only the end-to-end tests, verbosely
	@./test/prepare
	$(GOTEST) -count=1 -v ./test/e2e/... ./web/...

ARM64 := ./pkg/decode/... ./pkg/flow/... ./pkg/signatures/prefilter ./pkg/wire ./pkg/threshold/... ./pkg/verdict
arm64: ## build for arm64 and run the tests that can under qemu-user (two minutes; ARM64="PACKAGE..." ARM64_RUN=TESTS for fewer)
	GOARCH=arm64 $(GO) build -o /dev/null ./cmd/sensor
	GOARCH=arm64 $(GO) build -o /dev/null ./cmd/collector
	@if command -v qemu-aarch64-static >/dev/null; then GOARCH=arm64 $(GO) test -short -vet=off $(if $(ARM64_RUN),-run '$(ARM64_RUN)') -exec qemu-aarch64-static $(ARM64); \
	else echo "qemu-aarch64-static is not installed (apt-get install qemu-user-static): built, and not run"; fi

lint: ## formatting and vet; golangci-lint too where it is installed
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	$(GO) vet $(PKGS)
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "golangci-lint is not installed: gofmt, go vet and the architecture test stand alone"; fi

chaos: ## random kills, cut and stalled connections, full disks, for CHAOS_SECONDS (300); WEIR_CHAOS_SEED repeats a run
	WEIR_CHAOS_SECONDS=$${CHAOS_SECONDS:-300} $(GOTEST) -count=1 -v -timeout $$(($${CHAOS_SECONDS:-300} + 300))s -run '^TestChaos$$' ./cmd/collector

spoofed: ## floods an address from SPOOFED_SOURCES (10000000) forged sources: no client dropped, no memory grown (root)
	WEIR_SPOOFED_SOURCES=$${SPOOFED_SOURCES:-10000000} $(GOTEST) -count=1 -v -run '^TestSpoofedSources$$' ./internal/sensor/floods

kernels: ## the data plane's tests on Linux 5.10, 6.1, 6.12, the newest and this one, in qemu (KERNELS=6.1,6.12 and CHECKS=load,coexist for some)
	@$(GO) run ./test/kernels $(if $(KERNELS),-only $(KERNELS)) $(if $(CHECKS),-checks $(CHECKS))

fuzz: ## every fuzz target for FUZZ_SECONDS (10) each
	@./test/fuzz $${FUZZ_SECONDS:-10}

bench: ## the README's figures (BENCH=dataplane|matching|pipeline|floods|collector|console for one area; flame draws docs/performance.svg)
	@$(GO) run ./test/bench $(if $(BENCH),-area $(BENCH))

##@ Build what is committed
generate: ## BPF objects, console bundle, generated reference
	$(GO) generate ./bpf ./internal/lab ./test/bench/dataplane ./web ./docs/...

release: ## reproducible static binaries for amd64 and arm64 with checksums into dist/
	@./deploy/release

clean: ## remove what build and tests left
	rm -rf $(BIN) dist test/artifacts

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo build test arm64 e2e lint kernels spoofed chaos fuzz bench generate release clean help
