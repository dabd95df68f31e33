#!/usr/bin/env bash
# A SLURM cluster of one node on this machine, without systemd: `node.sh start DIR`, then `export SLURM_CONF=DIR/slurm.conf`; `node.sh stop DIR`.
# Wants root, and Debian's packages slurm-wlm and munge (or their like). Everything that it writes is in DIR, which must be absolute.
set -euo pipefail
action="${1:?start or stop}" dir="${2:?an absolute folder}"
export SLURM_CONF="$dir/slurm.conf"

stop() {
    for daemon in slurmd slurmctld munged; do
        if [ -s "$dir/$daemon.pid" ]; then
            pid="$(cat "$dir/$daemon.pid")"
            kill "$pid" 2> /dev/null || true
            for _ in $(seq 50); do
                kill -0 "$pid" 2> /dev/null || break
                sleep 0.1
            done
            kill -KILL "$pid" 2> /dev/null || true
        fi
    done
}

start() {
    mkdir -p "$dir/state" "$dir/spool"
    chmod 755 "$dir"
    (umask 077 && dd if=/dev/urandom of="$dir/munge.key" bs=128 count=1 status=none)
    munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
        --log-file="$dir/munged.log" --seed-file="$dir/munge.seed"
    name="$(hostname -s)"
    memory="$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo)"
    cat > "$SLURM_CONF" << END
ClusterName=test
SlurmctldHost=$name(127.0.0.1)
SlurmUser=root
SlurmctldPort=26817
SlurmdPort=26818
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
KillWait=5
MinJobAge=3600
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    slurmctld
    slurmd
    for _ in $(seq 100); do
        sinfo --noheader --format=%T 2> /dev/null | grep -q '^idle' && return
        sleep 0.2
    done
    tail -n 20 "$dir"/*.log
    echo "the node does not become idle" >&2
    return 1
}

"$action"
