#!/bin/sh
# Every row of ops.def stands in the table of docs/operators.md.
missing=0
for op in $(sed -n 's/^X(\([A-Za-z]*\),.*/\1/p' "$1/kernels/ops/ops.def"); do
  grep -q "^| .*\b$op\b.* |" "$1/docs/operators.md" || { echo "$op is not in docs/operators.md"; missing=1; }
done
exit $missing
