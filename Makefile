# `make` or `make help` lists the targets.

PYTHON ?= python3
SWEEP ?= decide
SECONDS ?= 60
PROGRAM := target/release/trainability

.DEFAULT_GOAL := help
.PHONY: help setup build test gpu test-slurm faults run-all quick smoke paper reference same-numbers report data bench fuzz deny book clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## fetch libtorch and the images into the cache, once (TORCH=cuda: libtorch with CUDA)
	@$(PYTHON) scripts/setup.py $(if $(TORCH),--torch $(TORCH))

build: setup ## build the program, optimised
	@cargo build --release

test: setup ## run every test
	@cargo test --workspace

gpu: build ## pack the program for a machine with a GPU and PyTorch 2.11, and what it is to be compared with, into gpu/
	@$(PYTHON) scripts/setup.py --data mnist
	@$(PYTHON) scripts/gpu_program.py

test-slurm: setup ## hand sweeps to a real Slurm on this machine (as root on Debian, which lacks it: it is installed)
	@$(PYTHON) scripts/slurm.py --install cargo test --test slurm -- --test-threads=1 || [ $$? -eq 77 ]

faults: setup ## kill sweeps, fill disks, damage files: the long version of what `make test` does of it
	@TRAINABILITY_FAULTS=long cargo test --test faults -- --nocapture --test-threads=2

# The report is written even where a run has failed; the exit code tells of it all the same.
define sweep-and-report
	@status=0; $(PROGRAM) sweep configs/$(1).json $(ARGS) || status=$$?; \
	if [ -e results/$(1)/sweep.json ]; then $(PROGRAM) report results/$(1) || status=$$?; fi; exit $$status
endef

run-all: build ## everything: set up, build, sweep configs/decide.json, replay its rates, report; a second call goes on where the first stopped
	@status=0; $(PROGRAM) sweep configs/decide.json $(ARGS) || status=$$?; \
	{ $(PROGRAM) replay results/decide && $(PROGRAM) sweep configs/decide-replay.json $(ARGS); } || status=$$?; \
	$(PROGRAM) report results/decide results/decide-replay --out results/decide-report --plots plots/decide || status=$$?; \
	exit $$status

quick: build ## the sweep of configs/quick.json: every method of the paper, with larger networks and fewer seeds
	$(call sweep-and-report,quick)

smoke: build ## the same with configs/smoke*.json: every method, schedule, stream and kind of network, in a minute
	$(call sweep-and-report,smoke)
	$(call sweep-and-report,smoke-schedules)
	$(call sweep-and-report,smoke-streams)
	$(call sweep-and-report,smoke-subsets)
	$(call sweep-and-report,smoke-fraction)
	$(call sweep-and-report,smoke-convolutional)
	$(call sweep-and-report,smoke-optimizers)
	$(call sweep-and-report,smoke-more-optimizers)

paper: build ## the same with configs/paper.json, the setting of the paper: many hours
	$(call sweep-and-report,paper)

# The arms of configs/small.json that claims ask for; layer norm takes several times as long as the others, and has its base rate alone.
SMALL := 'crelu/*/*' 'l2_*/*/*' 'wasserstein/*/*' 'relu/constant*/*' 'layer_norm/constant/*' 'reset*/*/*'
# Those of configs/controls.json that decide.
CONTROLS := '{crelu,wasserstein,l2_loss}/{constant,as_run,paper,floor_only,constant-learning_rate=0.0003}/*' 'relu/constant/*' 'reset*/*/*'
reference: build ## run the published sweeps again, about eleven hours, and write docs/reference; a second call goes on
	@$(PYTHON) scripts/check_reference.py --can-make controls field small
	@echo "configs/small.json at 40 seeds and the replay of its rates, configs/controls.json at ten seeds, configs/field.json"
	@set -e; for arms in $(SMALL); do $(PROGRAM) sweep configs/small.json --only "$$arms" $(ARGS); done
	@[ -d results/small/replay ] || $(PROGRAM) replay results/small
	@$(PROGRAM) sweep configs/small-replay.json $(ARGS)
	@rm -rf docs/reference/small
	@$(PROGRAM) report results/small results/small-replay --out docs/reference/small --plots docs/reference/small/plots
	@set -e; for arms in $(CONTROLS); do $(PROGRAM) sweep configs/controls.json --only "$$arms" $(ARGS); done
	@rm -rf docs/reference/controls
	@$(PROGRAM) report results/controls --out docs/reference/controls --plots docs/reference/controls/plots
	@rm docs/reference/*/report.html docs/reference/*/plots/*.svg
	@$(PROGRAM) sweep configs/field.json $(ARGS)
	@$(PROGRAM) report results/field
	@cp results/field/summary.csv results/field/ordering.csv results/field/claims.csv docs/reference/field
	@$(PYTHON) scripts/check_reference.py --made controls field small

same-numbers: setup ## show whether HEAD trains the same bytes as an older commit (COMMIT=4f1382c)
	@$(PYTHON) scripts/same_numbers.py $(COMMIT) $(ARGS)

report: build ## write the report of a finished sweep again (SWEEP=decide)
	@$(PROGRAM) report results/$(SWEEP)

# Some systems have a NAME of their own in the environment.
SET := $(if $(filter command,$(origin NAME)),$(NAME))
data: $(if $(SET),,build) ## tell which image sets there are (NAME=mnist, fashion-mnist or cifar-10: fetch that set, once)
	@$(if $(SET),$(PYTHON) scripts/setup.py --data $(SET),$(PROGRAM) data)

bench: setup ## measure the speed, side by side with PyTorch where there is one (BENCH=quick: the steps alone)
	@cargo bench --bench kernels -- --noplot --warm-up-time 0.5 --measurement-time 2
	@$(PYTHON) benches/side_by_side.py $(if $(filter quick,$(BENCH)),--quick)

# Stable Rust will do, as no sanitizer is asked for: a read out of bounds panics, and -rss_limit_mb finds what takes memory.
fuzz: setup ## search for files that break a reader, for SECONDS=60 each (TARGET=idx: that reader alone)
	@cargo fuzz --version >/dev/null 2>&1 || { echo "make fuzz needs cargo-fuzz: cargo install --locked cargo-fuzz" >&2; exit 1; }
	@cd fuzz && for target in $(or $(TARGET),$(notdir $(wildcard fuzz/seeds/*))); do \
	mkdir -p corpus/$$target && cargo fuzz run --sanitizer none $$target corpus/$$target seeds/$$target -- \
	-max_total_time=$(SECONDS) -max_len=12300 -rss_limit_mb=2048 -timeout=30 -print_final_stats=1 || exit 1; done

# The list of known holes is fetched from GitHub; without a network: make deny CHECKS='licenses bans sources'.
deny: ## hold the licences, the sources and the known holes of all dependencies against deny.toml
	@cargo deny --version >/dev/null 2>&1 || { echo "make deny needs cargo-deny: cargo install --locked cargo-deny" >&2; exit 1; }
	@cargo deny --all-features check $(CHECKS)

book: ## build the documentation with mdBook, into target/book
	@mdbook --version >/dev/null 2>&1 || { echo "make book needs mdBook: cargo install --locked mdbook; docs/SUMMARY.md reads well without" >&2; exit 1; }
	@mdbook build docs

clean: ## remove what was built; the cache, results and plots stay
	@cargo clean
