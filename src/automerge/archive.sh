#!/bin/sh
# archive.sh OBJECTS.a OUT.a WORK_DIR: one object of all, in which only what is visible in
# the shared library is a global name, so that a program linked statically can have names
# of its own.
set -e
objects=$1 out=$2 work=$3
mkdir -p "$work"
ld -r -o "$work/automerge.o" --whole-archive "$objects"
objcopy --localize-hidden --wildcard --keep-global-symbol='am_*' "$work/automerge.o"
rm -f "$out"
ar rcs "$out" "$work/automerge.o"
