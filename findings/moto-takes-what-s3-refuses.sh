#!/usr/bin/env bash
# A program that puts pictures into S3 is tested with moto: that damaged uploads are refused, that a changed source is
# not copied, and that one part of an upload can be read by its number.
#
# Expected: the answers of S3, by its API reference: a Content-MD5 or a checksum that does not fit gives 400 BadDigest,
# CopySourceIfMatch with another ETag gives 412, and PartNumber=2 gives the second part with 206.
# What happens: moto stores what arrives and compares it with nothing, copies whatever the condition says, and gives the
# whole object for each part.  The conditions of put and get (IfMatch, IfNoneMatch) are obeyed, so a glance at those
# says nothing about the others.  A test of the protection against damage passes only if the program compares by itself.
#
# Seen with CPython 3.11.7 and moto 5.2.5, boto3 1.44.8:
#   put, wrong Content-MD5:            200
#   put, wrong checksum (SHA-256):     200
#   put, IfNoneMatch of what is there: 412
#   copy, CopySourceIfMatch wrong:     200
#   get, PartNumber=2 of 2:            200, 5242885 bytes of a part of 5
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "moto[s3,server]==5.2.5" boto3==1.44.8

"$folder/venv/bin/python" - <<'PYTHON'
import base64
import hashlib
import logging
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

logging.disable(logging.CRITICAL)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
host, port = server.get_host_and_port()
client = boto3.client(
    "s3",
    endpoint_url=f"http://{host}:{port}",
    region_name="us-east-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    # Otherwise boto3 adds a true checksum to each upload.
    config=Config(request_checksum_calculation="when_required"),
)
client.create_bucket(Bucket="pictures")


def status(call, **options):
    try:
        answer = call(Bucket="pictures", **options)
    except ClientError as error:
        answer = error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer


def digest(kind, data=b"other pixels"):
    return base64.b64encode(hashlib.new(kind, data).digest()).decode()


PART = 5 << 20  # the least that S3 takes for any part but the last
upload = client.create_multipart_upload(Bucket="pictures", Key="parts")["UploadId"]
parts = []
for number, data in ((1, bytes(PART)), (2, b"small")):
    part = client.upload_part(Bucket="pictures", Key="parts", UploadId=upload, PartNumber=number, Body=data)
    parts.append({"PartNumber": number, "ETag": part["ETag"]})
client.complete_multipart_upload(Bucket="pictures", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})

seen = {
    "put, wrong Content-MD5": status(client.put_object, Key="a", Body=b"pixels", ContentMD5=digest("md5"))[0],
    "put, wrong checksum (SHA-256)": status(client.put_object, Key="b", Body=b"pixels", ChecksumSHA256=digest("sha256"))[0],
    "put, IfNoneMatch of what is there": status(client.put_object, Key="a", Body=b"pixels", IfNoneMatch="*")[0],
    "copy, CopySourceIfMatch wrong": status(
        client.copy_object, Key="c", CopySource="pictures/a", CopySourceIfMatch='"0"'
    )[0],
}
for name, code in seen.items():
    print(f"{name + ':':34} {code}")
code, answer = status(client.get_object, Key="parts", PartNumber=2)
length = answer["ContentLength"]
print(f"{'get, PartNumber=2 of 2:':34} {code}, {length} bytes of a part of 5")
server.stop()
sys.exit((*seen.values(), code, length) != (200, 200, 412, 200, 200, PART + 5))
PYTHON
