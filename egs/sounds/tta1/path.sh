# Where the project is, seen from this recipe's folder; sourced by run.sh.
root=../../..
PYTHONPATH=$(cd "$root" && pwd)${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
