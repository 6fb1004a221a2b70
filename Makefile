# Every target is one line; logic lives in the binary, in `cargo xtask`, or in deploy/local. ARGS= is passed on.
.PHONY: demo test faults soak check coverage fuzz bench up down clean packages
MILLRACE = cargo run --quiet --locked --package millrace --

demo: packages ; $(MILLRACE) demo $(ARGS)
test: packages ; programs=$$(.ci/build) && PATH="$$(.ci/install-tools):$$PATH" "$$programs/millrace" with --name test-$$$$ --connect-poll-ms 20 -- cargo nextest run --workspace --locked $(ARGS)
faults: packages ; PATH="$$(.ci/install-tools):$$PATH" cargo nextest run --workspace --locked --profile faults --no-capture $(ARGS)
soak: packages ; PATH="$$(.ci/install-tools):$$PATH" MILLRACE_SOAK_S=$(or $(SECONDS),3600) MILLRACE_SOAK_REPORT=$(CURDIR)/chaos/SOAK.md cargo nextest run --workspace --locked --profile soak --no-capture $(ARGS)
check: packages ; .ci/check
coverage: packages ; .ci/coverage
fuzz: packages ; .ci/fuzz $(SECONDS) $(ARGS)
bench: packages ; cargo run --quiet --locked --release --package millrace -- bench $(ARGS)
up: packages ; $(MILLRACE) up $(ARGS)
down: packages ; $(MILLRACE) down $(ARGS)
clean: ; cargo clean
packages: ; @deploy/local/install-build-packages
