"""Checks what the roles of a deployed stack may do: by IAM's own rules, and that nothing is a wildcard.

Looks at the roles as deployed, after the transforms, because a transform may add rights by itself.
"""

import argparse
import json
import pathlib
import re
import sys

import boto3
import parliament

from adapted import BATCHES, MAILS

# A log group's resource ends in a star, which stands for its streams.
LOG_STREAMS = re.compile(r"^arn:aws:logs:[^*]+:log-group:[^*]+:\*$")

# So do the objects of one folder of a bucket, whose names are given when they are written.
OBJECTS = re.compile(r"^arn:aws:s3:::[^*/]+/[^*]+/\*$")

# And a stage's connections, whose ids are the gateway's.
CONNECTIONS = re.compile(r"^arn:aws:execute-api:[^*]+/[^*/]+/(POST|DELETE)/@connections/\*$")

# CloudWatch names no resources for the reading of metrics, so the right to it is on all of them or on none.
ON_NO_RESOURCE = {"cloudwatch:GetMetricData"}

# Rights that the local stack asks for and AWS does not have.
ONLY_LOCAL = set(BATCHES.values())

# parliament knows this right for all streams only. Lambda asks for it on the one stream that it is to read.
ON_ONE_STREAM = {"dynamodb:ListStreams"}

# A stream's label is a time, and parliament takes the colons in it for those of the ARN.
STREAM_LABEL = re.compile(r"/stream/[0-9T:.Z-]+")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", required=True, type=pathlib.Path, help="the JSON file that describe.py wrote")
    stack = json.loads(options.parse_args().stack.read_text())

    count = 0
    findings = []
    for role, policy, document in policies(stack):
        count += 1
        findings += [f"{role}, {policy}: {finding}" for finding in findings_of(document)]
    for finding in findings:
        print(finding)
    print(f"{count} policies, {len(findings)} findings")
    sys.exit(bool(findings) or count == 0)


def policies(stack):
    cloudformation = boto3.client("cloudformation", endpoint_url=stack["endpoint"])
    iam = boto3.client("iam", endpoint_url=stack["endpoint"])
    for resource in resources(cloudformation, stack["stack_name"]):
        if resource["ResourceType"] != "AWS::IAM::Role":
            continue
        name, role = resource["LogicalResourceId"], resource["PhysicalResourceId"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            yield name, policy, as_on_aws(iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
        for managed in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            yield name, managed["PolicyName"], document_of(iam, managed["PolicyArn"])


def resources(cloudformation, stack):
    """Those of the stacks that are nested in it, too."""
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            yield resource
            if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                yield from resources(cloudformation, resource["PhysicalResourceId"])


def document_of(iam, arn):
    """A managed policy's document. One of AWS's own is written for everybody, so it grants more than one role needs."""
    if ":iam::aws:" in arn:
        return {"Statement": [{"Action": "*", "Resource": "*"}]}
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def as_on_aws(document):
    """The policy without the statement that the local stack asks for besides."""
    return document | {"Statement": [statement for statement in document["Statement"] if statement != MAILS]}


def findings_of(document):
    wildcards = list(wildcards_of(document))
    if wildcards:
        return wildcards
    exempt = ONLY_LOCAL | ON_ONE_STREAM
    for statement in document["Statement"]:
        statement["Action"] = [action for action in listed(statement["Action"]) if action not in exempt]
    analysed = parliament.analyze_policy_string(STREAM_LABEL.sub("/stream/label", json.dumps(document)))
    return [f"{parliament.enhance_finding(finding).title}: {finding.detail}" for finding in analysed.findings]


def wildcards_of(document):
    for statement in document["Statement"]:
        for action in listed(statement["Action"]):
            if "*" in action:
                yield f"the action {action} is a wildcard"
        if ON_NO_RESOURCE.issuperset(listed(statement["Action"])):
            continue
        for resource in listed(statement["Resource"]):
            if "*" in resource and not any(known.match(resource) for known in (LOG_STREAMS, OBJECTS, CONNECTIONS)):
                yield f"the resource {resource} is a wildcard"


def listed(value):
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    main()
