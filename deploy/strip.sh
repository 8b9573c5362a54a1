#!/bin/sh
# Take out of a virtual environment what a running server never reads: strip.sh VENV
set -eu
venv=$1
"$venv/bin/pip" uninstall --yes --quiet setuptools pip
cd "$venv"/lib/python3.*/site-packages
find . -type d -name tests -prune -exec rm -r {} +
find . -type f \( -name '*.pyi' -o -name '*.py[xd]' -o -name '*.px[di]' -o -name '*.cpp' -o -name '*.h' \) -exec rm {} +
# Arrow over the network, to S3, and encrypted Parquet: optional modules, each with a library of its own;
# and a library that lies there under three names, of which only the one ending in the ABI's number is loaded
rm -rf pyarrow/include pyarrow/src pyarrow/*flight* pyarrow/*s3* pyarrow/*parquet_encryption*
rm -f pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
rm -rf numpy/f2py dask/dataframe
# everything that the processes of a server import is still there
"$venv/bin/python" -c 'import app.http.app, app.bootstrap, app.training.trainer, distributed.nanny'
