"""Checks that what `sam package` wrote can be deployed: the SAM translator takes it, all code is in S3, and whatever
invokes a function invokes its alias, so that no invocation sees new code with old settings. With a staged rollout, a
customer's key or an identity provider of one's own, what these promise holds for each resource.
"""

import argparse
import pathlib
import sys
import tempfile
import urllib.parse

import boto3

from translated import Stack, listed, translated


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--template", required=True, type=pathlib.Path)
    options.add_argument("parameters", nargs="*", help="NAME=VALUE")
    given = options.parse_args()
    parameters = dict(parameter.split("=", 1) for parameter in given.parameters)
    stack = Stack(*translated(given.template, "waybill", AlarmEmail="night@example.com", **parameters))
    with_functions = [next(nested(stack, name)) for name in ("LiveStack", "PagesStack")]

    checks = (not_in_s3, not_by_alias, not_staged, not_repeatable, not_by_the_key, not_by_users, not_by_password_alone)
    findings = [finding for check in checks for finding in check(stack)]
    for inner in with_functions:
        findings += [finding for check in (not_in_s3, invoked_otherwise, not_repeatable) for finding in check(inner)]
        findings += not_by_the_key_of(inner, inner.values.get("KeyRights"))
    for export in nested(stack, "Export"):
        findings += [*not_repeatable(export), *not_exported_by_the_key(export)]
    for finding in findings:
        print(finding)
    functions = len(stack.of_type("AWS::Lambda::Function"))
    print(f"{' '.join(given.parameters)}: {functions} functions, {len(findings)} findings")
    sys.exit(bool(findings) or functions == 0)


def nested(stack, name):
    """The nested stack of this name, if there is one, from where it was packaged to."""
    if of := stack.of_type("AWS::CloudFormation::Stack").get(name):
        bucket, key = urllib.parse.urlsplit(of["TemplateURL"]).path.lstrip("/").split("/", 1)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "nested.yaml"
            boto3.client("s3").download_file(bucket, key, str(file))
            yield Stack(*translated(file, "nested", **of["Parameters"]))


def not_in_s3(stack):
    s3 = boto3.client("s3")
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        code = function.get("Code")
        if not isinstance(code, dict) or not {"S3Bucket", "S3Key"} <= code.keys():
            yield f"{name}: its code is not in S3 but {code}"
        elif s3.head_object(Bucket=code["S3Bucket"], Key=code["S3Key"])["ContentLength"] == 0:
            yield f"{name}: its code in S3 is empty"
    for name, nested in stack.of_type("AWS::CloudFormation::Stack").items():
        if not nested["TemplateURL"].startswith("http"):
            yield f"{name}: its template is not in S3 but at {nested['TemplateURL']}"


# What invokes a function, and which.
INVOKED = {
    "AWS::Lambda::EventSourceMapping": lambda of: of["FunctionName"],
    "AWS::Lambda::Permission": lambda of: of["FunctionName"],
    "AWS::ApiGatewayV2::Integration": lambda of: of["IntegrationUri"],
    "AWS::Scheduler::Schedule": lambda of: of["Target"]["Arn"],
    "AWS::Cognito::UserPool": lambda of: of["LambdaConfig"]["PreTokenGenerationConfig"]["LambdaArn"],
}


def not_by_alias(stack):
    for kind in INVOKED:
        if not stack.of_type(kind) and (kind != "AWS::Cognito::UserPool" or not stack.values["JwtIssuer"]):
            yield f"there is no {kind}, though there should be"
    yield from invoked_otherwise(stack)


def invoked_otherwise(stack):
    for kind, function in INVOKED.items():
        for name, properties in stack.of_type(kind).items():
            # API Gateway takes a function in a URI, too.
            if not function(properties).removesuffix("/invocations").endswith(":live"):
                yield f"{name} invokes {function(properties)}, which is no alias"
    for name, statement in allowed(stack):
        if "lambda:InvokeFunction" in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                if not resource.endswith(":live"):
                    yield f"{name} may invoke {resource}, which is no alias"


def allowed(stack):
    """Each statement of each policy, with the name of the role or policy that it is in."""
    for role, properties in stack.of_type("AWS::IAM::Role").items():
        for policy in properties.get("Policies", []):
            yield from ((role, statement) for statement in policy["PolicyDocument"]["Statement"])
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for name, policy in stack.of_type(kind).items():
            yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])


# Invoked by schedules and operators alone, once in minutes, so steps would show nothing.
AT_ONCE = {"SyntheticCheck", "Redrive", "Operator", "Rebuild", "Verifier"}


def not_staged(stack):
    """With a rollout in steps, every alias is turned back on an alarm."""
    if not stack.template["Mappings"]["Rollouts"][stack.values["Rollout"]]["Staged"]:
        return
    groups = stack.of_type("AWS::CodeDeploy::DeploymentGroup")
    for name, of in stack.resources.items():
        if name.removesuffix("Aliaslive") in AT_ONCE:
            continue
        if of["Type"] == "AWS::Lambda::Alias" and "CodeDeployLambdaAliasUpdate" not in of.get("UpdatePolicy", {}):
            yield f"{name} moves at once"
    for name, group in groups.items():
        if not group.get("AlarmConfiguration", {}).get("Alarms"):
            yield f"{name} is turned back by no alarm"
    if len(groups) != len(stack.of_type("AWS::Lambda::Function").keys() - AT_ONCE):
        yield f"{len(groups)} of the functions have a rollout in steps"


def not_repeatable(stack):
    """A deployment that fails is repeated under the same names, so what it made must not be left behind. A version has no
    name of its own, and a queue's policy goes with its queue."""
    nameless = ("AWS::Lambda::Version", "AWS::SQS::QueuePolicy")
    for name, of in stack.resources.items():
        if of["Type"] not in nameless and stack.resolve(of.get("DeletionPolicy")) == "Retain":
            yield f"{name} would be left behind by a deployment that fails"


def not_by_the_key(stack):
    """Where the customer brings a key, all that holds data is encrypted with it, and every role may use it."""
    key = stack.values["KmsKeyArn"]
    if not key:
        return
    yield from not_by_the_key_of(stack, stack.reference("KeyRights"))
    if stack.of_type("AWS::SNS::Topic")["EventTopic"]["KmsMasterKeyId"] != key:
        yield "the topic of domain events is not encrypted with the key"


def not_by_the_key_of(stack, rights):
    if not (key := stack.values["KmsKeyArn"]):
        return
    yield from encrypted_otherwise(stack, key)
    for role, properties in stack.of_type("AWS::IAM::Role").items():
        # A rollout reads nothing, and pages hold nothing.
        if role not in ("CodeDeployServiceRole", "PagesRole") and rights not in properties.get("ManagedPolicyArns", []):
            yield f"{role} may not use the key"


def encrypted_otherwise(stack, key):
    default = lambda bucket: bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"]
    encrypted = {
        "AWS::DynamoDB::Table": lambda of: of["SSESpecification"].get("KMSMasterKeyId"),
        "AWS::SQS::Queue": lambda of: of.get("KmsMasterKeyId"),
        "AWS::Logs::LogGroup": lambda of: of.get("KmsKeyId"),
        "AWS::SecretsManager::Secret": lambda of: of.get("KmsKeyId"),
        "AWS::S3::Bucket": lambda of: default(of).get("KMSMasterKeyID"),
        "AWS::KinesisFirehose::DeliveryStream": lambda of: of["DeliveryStreamEncryptionConfigurationInput"].get("KeyARN"),
    }
    for kind, key_of in encrypted.items():
        for name, properties in stack.of_type(kind).items():
            if key_of(properties) != key:
                yield f"{name} is encrypted with {key_of(properties)}"


def not_exported_by_the_key(stack):
    """What is exported is encrypted with it as well, and who writes to the bucket may use it."""
    if key := stack.values["KmsKeyArn"]:
        yield from encrypted_otherwise(stack, key)
        if key not in {resource for name, of in allowed(stack) if name == "StreamRole" for resource in listed(of["Resource"])}:
            yield "StreamRole may not use the key"


def not_by_users(stack):
    """No client lets a user write the attribute that says whose they are. One without a list may write them all."""
    for name, client in stack.of_type("AWS::Cognito::UserPoolClient").items():
        if "custom:tenant" in client.get("WriteAttributes", ["custom:tenant"]):
            yield f"{name} lets users write their own tenant"
        if client["GenerateSecret"] and client.get("ExplicitAuthFlows") != ["ALLOW_REFRESH_TOKEN_AUTH"]:
            yield f"{name} is a machine's, and lets users sign in"


def not_by_password_alone(stack):
    """In production users have a second factor, an authenticator app: the pool may send no text messages."""
    if stack.values["Stage"] != "production":
        return
    for name, pool in stack.of_type("AWS::Cognito::UserPool").items():
        if (pool.get("MfaConfiguration"), pool.get("EnabledMfas")) != ("ON", ["SOFTWARE_TOKEN_MFA"]):
            yield f"{name} lets users in by their password alone"


if __name__ == "__main__":
    main()
