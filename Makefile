# Everything a developer or a newcomer runs. Needs Python >= 3.11 with venv, make, and the package registry;
# what needs root or more (netns, systemd) says so when it cannot run.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_VENV := .venv-test
TOOLS := .venv-tools
DIR ?= $(CURDIR)/shared-folder
DURATION ?= 120
# Tests wait for daemons: on two cores six at a time still leave some of the processor. The long ones wait most of the time.
WORKERS ?= 6
LONG_WORKERS ?= 8
# Seeds of `simulate`, cases of `starts`.
N ?= 200

.DEFAULT_GOAL := help
.PHONY: help run demo test test-all check format lint types long properties coverage covered schedules starts membership storm simulate hostile malformed api fuzz agents editors yjs yjs-long jupyter obsidian teamtype lsp power netns systemd days packaging debian13 wheels constraints bench soak clean compare packages deb single-file debians oci web web-lint page page-speed walk

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.run: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=...)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# Only some shells expand the ~ of DIR=~/notes: the others would have a directory of that name made here.
run: export RUN_DIR = $(DIR)
run: $(VENV)/.run ## Share DIR=... with the other devices of the room (Ctrl-C stops)
	@case "$$RUN_DIR" in \
	"~" | "~/"*) RUN_DIR="$${HOME:?is not set, so ~ means nothing}$${RUN_DIR#"~"}" ;; \
	"~"*) echo "DIR=$$RUN_DIR is somebody's home: give the whole path" >&2; exit 2 ;; \
	esac; mkdir -p "$$RUN_DIR" && exec $(BIN)/yp2p up "$$RUN_DIR"

demo: $(VENV)/.run ## Two devices on this machine meet and merge two edits (15 s)
	@$(BIN)/python docs/demo.py

# The tests run against the installed wheel, not against the checkout. They are compiled here, with their assertions: in
# a new clone each of the workers would compile all of them.
$(TEST_VENV)/.wheel: $(VENV)/.dev $(shell find yp2p packaging -name '*.py' -o -name '*.sql') $(wildcard systemd/*.service) config/yp2p.example.toml pyproject.toml README.md $(wildcard yp2p/page/assets/page.js)
	rm -rf dist && $(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null
	test -x $(TEST_VENV)/bin/python || $(PYTHON) -m venv $(TEST_VENV)
	$(TEST_VENV)/bin/pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[dev]"
	$(TEST_VENV)/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps dist/*.whl
	-test -d tests/__pycache__ || PYTHONDONTWRITEBYTECODE= $(TEST_VENV)/bin/pytest -q --collect-only tests >/dev/null
	@touch $@

# What is compiled is kept, whatever the environment says.
test: export PYTHONDONTWRITEBYTECODE =
test: $(TEST_VENV)/.wheel ## All tests that need nothing special, against the installed wheel
	$(TEST_VENV)/bin/pytest -q -n $(WORKERS) --dist worksteal -m "not netns and not systemd and not days and not power and not editors and not long and not simulation and not fuzz and not yjs and not teamtype and not packaging and not browser" $(ARGS)

test-all: lint test long properties simulate hostile packaging netns systemd days editors power ## Everything, also what needs root (30 min)

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format --quiet yp2p packaging tests benches docs integrations
	$(BIN)/ruff check --quiet --fix yp2p packaging tests benches docs

lint: $(VENV)/.dev ## ruff, flake8-async, mypy --strict, import-linter
	$(BIN)/ruff check --quiet yp2p packaging tests benches docs integrations
	$(BIN)/flake8 $$(grep -rlE --include='*.py' '^ *async (def|with|for)' yp2p) # its rules are about these; a second a file
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## Everything that must pass before a commit

netns: $(TEST_VENV)/.wheel ## Three hosts in network namespaces with real mDNS (root)
	sh tests/netns/run.sh $(TEST_VENV)/bin/pytest

systemd: $(TEST_VENV)/.wheel ## Three machines with systemd as PID 1: units, hub, service, what they cannot do (root, systemd-nspawn)
	sh tests/systemd/run.sh $(TEST_VENV)/bin/pytest

days: $(TEST_VENV)/.wheel ## Three machines from the .deb: upgrade, crash, hang, power cuts, downgrade (root, systemd-nspawn, Debian; 5 min)
	sh tests/systemd/run.sh $(TEST_VENV)/bin/pytest days

# Each worker loads the modules that it is given: only those with a `pytest.mark.long`.
long: $(TEST_VENV)/.wheel ## Meetings, floods of deletions, forged histories, with whole devices (minutes)
	$(TEST_VENV)/bin/pytest -q -n $(LONG_WORKERS) --dist worksteal -m long -p no:randomly $$(grep -rl --include='test_*.py' 'mark\.long' tests)

starts: export YP2P_STARTS = $(N)
starts: $(TEST_VENV)/.wheel ## A daemon is started on N=200 stores and folders with one thing damaged or foreign in each (10 min)
	$(TEST_VENV)/bin/pytest -q -n $(WORKERS) -m long -p no:randomly tests/starts

agents: export YP2P_AGENT_EDITS = 10000
agents: $(TEST_VENV)/.wheel ## Eight programs make 10,000 edits in 20 files, while people type and git switches branches (10 min)
	$(TEST_VENV)/bin/pytest -q -s -m long -p no:randomly tests/agents

editors: $(TEST_VENV)/.wheel ## Real editors in a terminal save over what arrived meanwhile (vim, nano, ed, git, rsync; SLOW_DISK_MS=150)
	sh tests/editors/run.sh $(TEST_VENV)/bin/pytest

power: $(TEST_VENV)/.wheel ## Forty power cuts of a disk image, and file systems that can do less (root)
	sh tests/power/run.sh $(TEST_VENV)/bin/pytest

# What builds and checks packages, and nothing else.
$(TOOLS)/.tools:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check pex pipx twine
	@touch $@

packaging: $(TEST_VENV)/.wheel $(TOOLS)/.tools ## Every command of the bare wheel, the sdist, the guide of installing, and this Debian's package (2 min)
	sh tests/packaging/run.sh $(abspath $(TEST_VENV))/bin/pytest $(abspath $(TOOLS))/bin

# The page first: what is built after it has it.
packages: web ## Build everything that is published into dist/: wheel, sdist, Debian packages, single file (node and npm; 3 min)
	$(MAKE) $(TEST_VENV)/.wheel deb single-file
	$(TEST_VENV)/bin/python -m build --sdist --no-isolation --outdir dist . >/dev/null
	ls -l dist

deb: $(TEST_VENV)/.wheel ## Build the packages for Debian 12 and 13, amd64 and arm64, without any of them (2 min)
	$(TEST_VENV)/bin/python packaging/deb/build.py dist/*.whl --into dist

single-file: $(TEST_VENV)/.wheel $(TOOLS)/.tools ## Build one file that has everything but Python in it, for this Python and machine (30 s)
	PYTHON=$(abspath $(TEST_VENV))/bin/python sh packaging/single_file.sh $(TOOLS)/bin/pex dist/*.whl dist

debians: $(TEST_VENV)/.wheel $(TOOLS)/.tools ## The packages in a Debian 12 and a 13 of their own, also upgraded as a service, and lintian (root, debootstrap; 9 min)
	YP2P_DEBIANS="bookworm trixie" sh tests/packaging/run.sh $(abspath $(TEST_VENV))/bin/pytest $(abspath $(TOOLS))/bin tests/packaging/test_deb.py tests/packaging/test_deb_service.py

oci: $(TEST_VENV)/.wheel ## The image by its recipe, without a registry, and two devices in it (root, debootstrap, buildah; 4 min)
	sh tests/packaging/oci.sh $(TEST_VENV)/bin/pip

debian13: $(TEST_VENV)/.wheel ## The bare wheel and the demo on Debian 13 without a compiler (root, debootstrap; ARGS=tests/store)
	sh tests/packaging/debian13.sh $(TEST_VENV)/bin/pip $(ARGS)

wheels: $(VENV)/.dev ## Whether every dependency has wheels for Python 3.11 to 3.14 on x86-64 and aarch64
	@$(BIN)/python tests/packaging/wheels.py

constraints: $(TEST_VENV)/.wheel ## Write config/constraints.txt anew: the versions of everything that the wheel brings
	sh tests/packaging/constraints.sh

SCHEDULES ?= 0:1000
schedules: $(TEST_VENV)/.wheel ## A thousand random orders of saves, remote edits, renders and restarts
	YP2P_SCHEDULES=$(SCHEDULES) $(TEST_VENV)/bin/pytest -q -p no:randomly -o timeout=600 tests/disk/test_schedules.py

membership: export YP2P_ALL_STATEMENTS = 1
membership: $(TEST_VENV)/.wheel ## All sets of four membership statements of three devices, and more, against slow rules; 100,000 histories with a thief (40 min of CPU)
	$(TEST_VENV)/bin/pytest -q -n $(WORKERS) -p no:randomly -o timeout=7200 tests/trust/test_small_sets.py tests/trust/test_histories.py

rooms: export YP2P_ROOMS = 10000
rooms: $(TEST_VENV)/.wheel ## Who is linked with whom in N=10,000 random rooms of 17 to 200 devices, with departures (10 min)
	$(TEST_VENV)/bin/pytest -q -s -p no:randomly -o timeout=7200 tests/peers/test_neighbours.py

crowds: $(TEST_VENV)/.wheel ## A room of 200 devices in virtual time: what an edit costs, and what departures change (30 min)
	cd tests && PYTHONHASHSEED=0 PYTHONPATH=. ../$(TEST_VENV)/bin/python -m simulation.crowds 200

STORM_OPERATIONS ?= 1000
STORM_SEEDS ?= 1,2,3
storm: $(TEST_VENV)/.wheel ## Random operations on three hosts, cables pulled, daemons killed (root; STORM_SEEDS=1,2,3)
	STORM_SEEDS=$(STORM_SEEDS) STORM_OPERATIONS=$(STORM_OPERATIONS) sh tests/netns/run.sh $(TEST_VENV)/bin/pytest tests/netns/test_storm.py

simulate: $(TEST_VENV)/.wheel ## N=200 seeded runs of many devices in virtual time; SEED=7 tells one of them
ifdef SEED
	cd tests && PYTHONPATH=. ../$(TEST_VENV)/bin/python -m simulation $(SEED) --verbose
else
	YP2P_SEEDS=0:$(N) $(TEST_VENV)/bin/pytest -q -rA -m simulation -p no:randomly tests/simulation
endif

EFFORT ?= ci
PROPERTIES ?= tests/threeway tests/documents tests/protocol tests/store
properties: $(TEST_VENV)/.wheel ## What holds for any text and any order, tried more often: EFFORT=ci, or deep for a night
	YP2P_EFFORT=$(EFFORT) $(TEST_VENV)/bin/pytest -q -p no:randomly -o timeout=7200 $(PROPERTIES)

WITH_COVERAGE := --cov --cov-report=
coverage: ## Run the tests, and tell what of the code they reach in their own processes (not in daemons that they start)
	$(MAKE) test ARGS="$(WITH_COVERAGE) $(ARGS)"
	$(MAKE) covered

covered: ## The figure of the last `make coverage`
	$(TEST_VENV)/bin/coverage report --skip-covered --sort=cover | grep -v /cli/ | head -n 20
	@echo "covered: $$($(TEST_VENV)/bin/coverage report --format=total) %"

hostile: $(TEST_VENV)/.wheel ## 200,000 hostile and 200,000 honest updates against the wall (1 min)
	$(TEST_VENV)/bin/pytest -q -rA -m fuzz -p no:randomly tests/fuzz

malformed: export YP2P_MALFORMED = 100000
malformed: $(TEST_VENV)/.wheel ## 100,000 requests that are none at each local socket of a daemon, and at the port of the page (20 min)
	$(TEST_VENV)/bin/pytest -q -s -p no:randomly tests/control/test_malformed.py tests/page/test_strangers.py

api: $(TEST_VENV)/.wheel ## Write docs/api.md anew, with answers of real daemons (1 min)
	cd tests && PYTHONPATH=. ../$(TEST_VENV)/bin/python -m control.samples
	cd tests && PYTHONPATH=. ../$(TEST_VENV)/bin/python -m control.api_page ../docs/api.md

YJS := .yjs
yjs: $(TEST_VENV)/.wheel ## The real Yjs: positions, and y-websocket clients of a daemon (node and npm)
	sh tests/yjs/run.sh $(TEST_VENV)/bin/pytest $(CURDIR)/$(YJS)

web/node_modules/.package-lock.json: web/package-lock.json
	@command -v npm >/dev/null || { echo "The page is built with node and npm; everything else works without it." >&2; exit 1; }
	cd web && npm ci --silent --ignore-scripts
	@touch $@

web: yp2p/page/assets/page.js ## Build the page of `yp2p open` into yp2p/page/assets (node and npm; 10 s)

yp2p/page/assets/page.js: web/node_modules/.package-lock.json web/build.mjs web/package.json $(shell find web/src -type f)
	cd web && node build.mjs

# Two builds are the same bytes.
web-lint: web/node_modules/.package-lock.json ## Types, format and tests of the page's sources, and whether two builds of it are the same
	cd web && node_modules/.bin/tsc && node_modules/.bin/prettier --log-level warn --check src tests build.mjs
	cd web && node tests/run.mjs
	cd web && node build.mjs ../build/page-one >/dev/null && node build.mjs ../build/page-two && diff -r ../build/page-one ../build/page-two

# The page is a part of the wheel that is tested: what `make web` has just built as well.
PAGE := .page
page: web ## The page in a real browser with real daemons: the editor, who is refused, journeys, axe, a walker (chromium and npm)
	$(MAKE) $(TEST_VENV)/.wheel
	sh tests/browser/run.sh $(abspath $(TEST_VENV))/bin $(CURDIR)/$(PAGE) tests/browser $(ARGS)

TEAMTYPE := .teamtype-editors
teamtype: $(TEST_VENV)/.wheel ## Four unmodified Neovims with Teamtype's plugin on two devices, 20 seeds of 400 commands each (20 min; YP2P_TEAMTYPE_SEEDS=0:20)
	sh tests/teamtype/run.sh $(TEST_VENV)/bin/pytest $(CURDIR)/$(TEAMTYPE)

lsp: $(TEST_VENV)/.wheel ## `yp2p lsp` with Emacs' eglot and Neovim's own client, 2,000 random edits of each pair (15 min; YP2P_LSP_EDITS=80)
	sh tests/lsp/run.sh $(TEST_VENV)/bin/pytest $(CURDIR)/$(TEAMTYPE)

page-speed: web ## How large the page is, when it is seen, how 10,000 files scroll (chromium and npm; 2 min)
	$(MAKE) $(TEST_VENV)/.wheel
	sh tests/browser/run.sh $(abspath $(TEST_VENV))/bin $(CURDIR)/$(PAGE) benches/page_in_browser.py $(ARGS)

MINUTES_OF_WALK ?= 10
walk: export YP2P_WALK_S = $(shell expr $(MINUTES_OF_WALK) \* 60)
walk: ARGS = -s -k test_a_walk
walk: page ## Clicks at random on the page for ten minutes, while files change (chromium and npm; YP2P_WALK_SEED=7 tells one walk)

yjs-long: $(TEST_VENV)/.wheel ## The same with 10,000 edits of everybody in one file, and ten minutes in which nobody does anything (25 min)
	YP2P_YJS_EDITS=10000 YP2P_YJS_IDLE_S=600 sh tests/yjs/run.sh $(TEST_VENV)/bin/pytest $(CURDIR)/$(YJS)

JUPYTER := .venv-jupyter
jupyter: $(TEST_VENV)/.wheel ## Documents of JupyterLab's server and files on two devices, without a browser (5 min, most of it pip)
	test -x $(JUPYTER)/bin/python || $(PYTHON) -m venv $(JUPYTER)
	$(JUPYTER)/bin/pip install --quiet --disable-pip-version-check $$(ls dist/*.whl) './integrations/jupyter-yp2p[test]'
	cd integrations/jupyter-yp2p && PYTHONPATH=../../tests ../../$(JUPYTER)/bin/python -m pytest -q -c pyproject.toml tests

OBSIDIAN := integrations/obsidian-yp2p
obsidian: $(TEST_VENV)/.wheel ## Build the plugin for Obsidian, and try it with daemons, in what stands for Obsidian (node and npm; 2 min)
	@command -v npm >/dev/null || { echo "The plugin is built with node and npm; everything else works without it." >&2; exit 1; }
	cd $(OBSIDIAN) && npm ci --silent --ignore-scripts
	cd $(OBSIDIAN) && node_modules/.bin/tsc && node_modules/.bin/prettier --log-level warn --check src tests/contract.ts build.mjs
	cd $(OBSIDIAN) && node build.mjs
	$(TEST_VENV)/bin/pytest -q -p no:randomly $(OBSIDIAN)/tests

SECONDS ?= 60
fuzz: $(TEST_VENV)/.wheel ## Fuzz every function that takes a peer's bytes, SECONDS=60 each; with MINUTES=30 a real link, as a member
ifdef MINUTES
	$(TEST_VENV)/bin/python benches/link_fuzz.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)
else
	-$(TEST_VENV)/bin/pip install --quiet --disable-pip-version-check "$$(ls dist/*.whl)[fuzz]"
	cd tests && PYTHONPATH=. ../$(TEST_VENV)/bin/python -m fuzz all $(SECONDS)
endif

bench: $(VENV)/.dev ## Measure what docs/goals.md asks for
	$(BIN)/python benches/latency.py
	$(BIN)/python benches/trace.py
	$(BIN)/python benches/keystroke.py
	YP2P_NVIM=$${YP2P_NVIM:-$(TEAMTYPE)/bin/nvim} $(BIN)/python benches/editors.py
	$(BIN)/python benches/history.py
	$(BIN)/python benches/wall.py
	$(BIN)/python benches/caps.py
	$(BIN)/python benches/first_sync.py
	$(BIN)/python benches/commands.py
	$(BIN)/python benches/writes.py
	$(BIN)/python benches/strangers.py
	$(BIN)/python benches/middle.py --attempts 200 --free 200 --daemons 7
	$(BIN)/python benches/beside.py
	$(BIN)/python benches/large.py
	$(BIN)/python benches/service.py
	$(BIN)/python benches/scale.py --files 10000 100000
	$(BIN)/python benches/at_rest.py
	$(BIN)/python benches/git_checkout.py

compare: $(VENV)/.dev ## Two commits side by side, in turns: A=HEAD~1 B=. RUNS=5 ARGS='--bench "latency --files 1000"' (15 min)
	$(BIN)/python benches/compare.py $(or $(A),HEAD) $(or $(B),.) --runs $(or $(RUNS),5) $(ARGS)

SOAK_MINUTES ?= 60
soak: $(VENV)/.dev ## Three devices at work for SOAK_MINUTES=60: memory, open files and contents at the end
	$(BIN)/python benches/soak.py --minutes $(SOAK_MINUTES)

clean: ## Remove what was built
	rm -rf $(VENV) $(TEST_VENV) $(TOOLS) $(YJS) $(PAGE) web/node_modules $(OBSIDIAN)/node_modules $(OBSIDIAN)/dist yp2p/page/assets build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
