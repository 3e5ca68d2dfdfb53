#!/bin/sh
# Makes one file of the wheel and what it depends on, for the Python that PYTHON is and this machine: single_file.sh PEX WHEEL DIR.
# When it first runs it makes an environment of itself, so that processes which yp2p starts find what they need as well.
set -eu
pex=$1 wheel=$2 into=$3
python=${PYTHON:-python3}
version=$(basename "$wheel" | cut -d- -f2)
for_this=$("$python" -c 'import sys, platform; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-{platform.machine()}")')
made=$into/yp2p-$version-$for_this.pex
"$pex" --python "$python" --constraints "$(dirname "$0")/../config/constraints.txt" --console-script yp2p \
  --venv prepend --sh-boot --no-build --output-file "$made" "$wheel" >&2
echo "$made"
