# Where jobs run: local (processes on this machine), slurm or ray; sourced by run.sh. `run.sh --cmd` wins.
cmd=local
