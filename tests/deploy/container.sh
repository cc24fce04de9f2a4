#!/bin/sh
# Build the image of deploy/Containerfile from nothing but Debian's packages, and run it as Kubernetes would: read-only
# root, no privileges, no root user, limits of CPU and memory.  Prints its size and the time to the first picture.
#
#   apt-get install buildah debootstrap umoci runc       (no container engine is needed; run it as root)
#   tests/deploy/container.sh FOLDER                     (about 2 GB; it stays, so that a second run is short)
#
# Where the registry of container images can be reached, `buildah build -f deploy/Containerfile .` is all that it takes.
set -eu
work=$(realpath -m "${1:?give a folder to work in}")
project=$(cd "$(dirname "$0")/../.." && pwd)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
mkdir -p "$work"

if ! buildah inspect localhost/debian-python >/dev/null 2>&1; then
    [ -d "$work/root/usr" ] ||
        debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates stable "$work/root"
    ln -sf python3 "$work/root/usr/bin/python"
    base=$(buildah from scratch)
    cp -a "$work/root/." "$(buildah mount "$base")/"
    buildah commit -q "$base" localhost/debian-python
    buildah rm "$base" >/dev/null
fi
buildah build --build-arg BASE=localhost/debian-python --ignorefile "$project/.containerignore" \
    -v /etc/ssl/certs:/etc/ssl/certs:ro -f "$project/deploy/Containerfile" -t localhost/imgsrv "$project"

rm -rf "$work/bundle" "$work/oci"
buildah push -q localhost/imgsrv "oci:$work/oci:imgsrv"
umoci unpack --image "$work/oci:imgsrv" "$work/bundle"
python3 - "$work/bundle/config.json" <<'PYTHON'
import json, sys
from pathlib import Path
file = Path(sys.argv[1])
made = json.loads(file.read_text())
made["process"]["terminal"] = False
made["process"]["env"].append("IMGSRV_PORT=18123")
made["process"]["noNewPrivileges"] = True
made["process"]["capabilities"] = {}
made["root"]["readonly"] = True
made["linux"]["namespaces"] = [each for each in made["linux"]["namespaces"] if each["type"] != "network"]
made["linux"]["resources"] = {"memory": {"limit": 2**30}, "cpu": {"quota": 100_000, "period": 100_000}}
made["mounts"] = [
    *(each for each in made["mounts"] if each["destination"] not in ("/sys", "/etc/resolv.conf", "/sys/fs/cgroup")),
    {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "nodev", "ro"]},
]
file.write_text(json.dumps(made))
PYTHON

printf 'image: %s, of it imgsrv: %s\n' "$(du -sh "$work/bundle/rootfs" | cut -f1)" \
    "$(du -sh "$work/bundle/rootfs/opt/imgsrv" | cut -f1)"
name=imgsrv-trial-$$
began=$(date +%s%N)
runc run -b "$work/bundle" "$name" >"$work/log" 2>&1 &
running=$!
tries=0
until curl -sf --data-binary @"$project/samples/coffee.jpg" 'http://127.0.0.1:18123/resize?width=100' -o "$work/out.jpg"; do
    tries=$((tries + 1))
    [ $tries -lt 3000 ] || { cat "$work/log"; exit 1; }
    sleep 0.02
done
printf 'first picture after %s ms, workers: %s\n' $((($(date +%s%N) - began) / 1000000)) \
    "$(sed -n 's/.*"workers": \([0-9]*\).*/\1/p' "$work/log" | head -1)"
runc exec "$name" imgsrv status
runc kill "$name" TERM
wait $running
printf 'SIGTERM to process 1: ended with %s\n' $?
