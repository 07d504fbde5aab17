# `make` or `make help` lists the targets.

PYTHON ?= python3
SWEEP ?= quick
PROGRAM := target/release/trainability

.DEFAULT_GOAL := help
.PHONY: help setup build test faults run-all smoke paper report data bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## fetch libtorch and the images into the cache, once (TORCH=cuda: libtorch with CUDA)
	@$(PYTHON) scripts/setup.py $(if $(TORCH),--torch $(TORCH))

build: setup ## build the program, optimised
	@cargo build --release

test: setup ## run every test
	@cargo test --workspace

faults: setup ## kill sweeps, fill disks, damage files: the long version of what `make test` does of it
	@TRAINABILITY_FAULTS=long cargo test --test faults -- --nocapture --test-threads=2

# The report is written even where a run has failed; the exit code tells of it all the same.
define sweep-and-report
	@status=0; $(PROGRAM) sweep configs/$(1).json $(ARGS) || status=$$?; \
	if [ -e results/$(1)/sweep.json ]; then $(PROGRAM) report results/$(1) || status=$$?; fi; exit $$status
endef

run-all: build ## everything: set up, build, sweep configs/quick.json, report; a second call goes on where the first stopped
	$(call sweep-and-report,quick)

smoke: build ## the same with configs/smoke.json: every method and schedule, in under half a minute
	$(call sweep-and-report,smoke)

paper: build ## the same with configs/paper.json, the setting of the paper: many hours
	$(call sweep-and-report,paper)

report: build ## write the report of a finished sweep again (SWEEP=quick)
	@$(PROGRAM) report results/$(SWEEP)

data: build ## tell which image sets there are
	@$(PROGRAM) data

bench: setup ## measure the speed, side by side with PyTorch where there is one (BENCH=quick: the steps alone)
	@cargo bench --bench kernels -- --noplot --warm-up-time 0.5 --measurement-time 2
	@$(PYTHON) benches/side_by_side.py $(if $(filter quick,$(BENCH)),--quick)

clean: ## remove what was built; the cache, results and plots stay
	@cargo clean
