"""Holds the templates against the limits that AWS documents: with 20 bounded contexts, in production, under a name as
long as the documentation allows. Says for each limit how much of it is used, how many contexts fit, and beside 20 of them,
how many subscribers.
"""

import argparse
import itertools
import json
import pathlib
import re
import sys
import tempfile

from translated import Stack, listed, translated, with_code

# So many must fit.
CONTEXTS = 20
# The longest names that docs/contexts.md allows for this length of a context's name.
CONTEXT_LENGTH = 17
SUBSCRIBER_LENGTH = 25
STACK_LENGTH = 30

KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
PRODUCTION = {
    "Stage": "production",
    "Rollout": "Canary10Percent5Minutes",
    "AlarmEmail": "night@example.com",
    "DomainName": "api.example.com",
    "CertificateArn": CERTIFICATE,
    "KmsKeyArn": KEY,
    "PartnerTopic": "arn:aws:sns:us-east-1:222222222222:events",
    "EventExport": "true",
}

# The documented maximum of each name: "CloudFormation, Quotas" and each service's API reference.
NAMES = {
    "AWS::SQS::Queue": ("QueueName", 80),
    "AWS::SNS::Topic": ("TopicName", 256),
    "AWS::Lambda::Function": ("FunctionName", 64),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::Scheduler::Schedule": ("Name", 64),
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::CloudWatch::CompositeAlarm": ("AlarmName", 255),
    "AWS::CloudWatch::Dashboard": ("DashboardName", 255),
    "AWS::ApiGatewayV2::Api": ("Name", 128),
    "AWS::Cognito::UserPool": ("UserPoolName", 128),
    "AWS::Cognito::UserPoolDomain": ("Domain", 63),
    "AWS::IAM::Policy": ("PolicyName", 128),
    "AWS::KinesisFirehose::DeliveryStream": ("DeliveryStreamName", 64),
}

# What docs/contexts.md tells with as many contexts as fit.
TOLD = ["resources, template.yaml", "bytes of environment, function", "characters of inline policies, role"]


class Limits:
    """What was measured against what is allowed, the fullest of each kind."""

    def __init__(self):
        self.fullest = {}

    def measure(self, limit: str, what: str, used: int, most: int):
        if limit not in self.fullest or used / most > self.fullest[limit][1] / self.fullest[limit][2]:
            self.fullest[limit] = (what, used, most)

    def figure(self, limit: str) -> str:
        _, used, most = self.fullest[limit]
        return f"{used:,} of {most:,}"

    def exceeded(self) -> list[str]:
        return [limit for limit, (_, used, most) in self.fullest.items() if used > most]

    def report(self) -> list[str]:
        """Prints all, and gives those that are exceeded."""
        for limit, (what, used, most) in self.fullest.items():
            print(f"{limit + ' ':.<52} {used:>7} of {most:<7} {what}")
        return self.exceeded()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--templates", required=True, type=pathlib.Path, help="folder of the templates")
    given = options.parse_args()

    limits = measured(given.templates, CONTEXTS)
    exceeded = limits.report()
    if exceeded:
        sys.exit(f"exceeded with {CONTEXTS} contexts: {', '.join(exceeded)}")

    fit = CONTEXTS
    while not (more := measured(given.templates, fit + 1)).exceeded():
        fit, limits = fit + 1, more
    print(f"{fit} contexts fit; one more exceeds: {', '.join(more.exceeded())}")
    others = 0
    while not (more := measured(given.templates, CONTEXTS, others + 1)).exceeded():
        others += 1
    # Some are there in any case.
    subscribers = len(re.search(r"- Subscriber\n +- \[([^]]*)\]", (given.templates / "template.yaml").read_text())[1].split(",")) + others
    print(f"{subscribers} subscribers fit beside {CONTEXTS} contexts; one more exceeds: {', '.join(more.exceeded())}")
    page = (given.templates / "docs/contexts.md").read_text()
    said = [f"**{fit} contexts** fit", f"**{subscribers} subscribers**"] + [limits.figure(limit) for limit in TOLD]
    if unsaid := [text for text in said if text not in page]:
        sys.exit(f"docs/contexts.md does not say: {', '.join(unsaid)}")


def measured(templates: pathlib.Path, contexts: int, subscribers: int = 0) -> Limits:
    """All templates with so many contexts, and so many subscribers more, as they are deployed in production."""
    limits = Limits()
    with tempfile.TemporaryDirectory() as folder:
        template, observability = grown(templates, pathlib.Path(folder), contexts, subscribers)
        live, pages = (pathlib.Path(folder) / name for name in ("live.yaml", "pages.yaml"))
        for file in (live, pages):
            file.write_text(with_code((templates / file.name).read_text()))
        stack = Stack(*translated(template, "s" * STACK_LENGTH, **PRODUCTION))
        measure(limits, stack, "template.yaml")
        nested = {"Observability": observability, "Export": templates / "export.yaml", "LiveStack": live, "PagesStack": pages}
        for name, of in stack.of_type("AWS::CloudFormation::Stack").items():
            measure(limits, Stack(*translated(nested[name], "nested", **of["Parameters"])), of["TemplateURL"])
    return limits


def grown(folder: pathlib.Path, to: pathlib.Path, contexts: int, subscribers: int) -> list[pathlib.Path]:
    """The templates with so many contexts in each loop over contexts, with so many subscribers more, and with code in S3."""
    names = ", ".join(distinct(contexts, CONTEXT_LENGTH))
    others = distinct(subscribers, SUBSCRIBER_LENGTH)
    row = "    {0}: {{ Name: {0}, Function: {0}, Table: EventsTable, Rights: [dynamodb:Query], DeadLetters: {0}, Undelivered: {0} }}\n"
    rows = "".join(row.format(other) for other in others)
    files = []
    for name in ("template.yaml", "observability.yaml"):
        text = (folder / name).read_text()
        text = re.sub(r"(- Context\n +- )\[[^]]*\]", rf"\1[{names}]", text)
        for kind in ("Commands", "DeadLetters"):
            queues = ", ".join(f"!GetAtt {name}{kind}.Arn" for name in names.split(", "))
            text = re.sub(rf"\[\s*!GetAtt [a-z]+{kind}\.Arn[^\]]*\]", f"[{queues}]", text)
        text = re.sub(r"(- Subscriber\n +- \[)", r"\1" + "".join(f"{other}, " for other in others), text)
        text = text.replace("\n  Subscribers:\n", f"\n  Subscribers:\n{rows}", 1)
        file = to / name
        file.write_text(with_code(text))
        files.append(file)
    return files


def distinct(count: int, length: int) -> list[str]:
    """So many names of so many letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    ends = itertools.product(letters, repeat=2)
    return [f"{first * (length - 1)}{second}" for second, first in itertools.islice(ends, count)]


def measure(limits: Limits, stack: Stack, name: str):
    template = stack.template
    limits.measure(f"resources, {name}", "", len(stack.resources), 500)
    limits.measure(f"outputs, {name}", "", len(template.get("Outputs", {})), 200)
    limits.measure(f"parameters, {name}", "", len(template["Parameters"]), 200)
    limits.measure(f"bytes after the transforms, {name}", "", len(json.dumps(template)), 1_000_000)
    for kind, (property, most) in NAMES.items():
        for resource, properties in stack.of_type(kind).items():
            limits.measure(f"characters, {kind} {property}", resource, len(properties[property]), most)
    for function, properties in stack.of_type("AWS::Lambda::Function").items():
        variables = properties.get("Environment", {}).get("Variables", {})
        size = sum(len(name) + len(str(value)) for name, value in variables.items())
        limits.measure("bytes of environment, function", function, size, 4096)
    inline = {role: properties.get("Policies", []) for role, properties in stack.of_type("AWS::IAM::Role").items()}
    attached = {stack.reference(role): list(policies) for role, policies in inline.items()}
    for policy in stack.of_type("AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            attached[role].append(policy)
    for role, policies in attached.items():
        size = sum(len(re.sub(r"\s", "", json.dumps(policy["PolicyDocument"]))) for policy in policies)
        limits.measure("characters of inline policies, role", role, size, 10_240)
    for policy, properties in stack.of_type("AWS::IAM::ManagedPolicy").items():
        size = len(re.sub(r"\s", "", json.dumps(properties["PolicyDocument"])))
        limits.measure("characters of a managed policy", policy, size, 6144)
    for role, properties in stack.of_type("AWS::IAM::Role").items():
        managed = list(properties.get("ManagedPolicyArns", []))
        for policy in stack.of_type("AWS::IAM::ManagedPolicy").values():
            managed += [policy] * policy.get("Roles", []).count(stack.reference(role))
        limits.measure("managed policies, role", role, len(managed), 10)
    for alarm, properties in stack.of_type("AWS::CloudWatch::CompositeAlarm").items():
        limits.measure("characters of a composite alarm's rule", alarm, len(properties["AlarmRule"]), 10_240)
        limits.measure("alarms in a composite alarm", alarm, properties["AlarmRule"].count("ALARM("), 100)
    for alarm, properties in stack.of_type("AWS::CloudWatch::Alarm").items():
        limits.measure("characters, alarm description", alarm, len(properties.get("AlarmDescription", "")), 1024)
    for table, properties in stack.of_type("AWS::DynamoDB::Table").items():
        indexes = properties.get("GlobalSecondaryIndexes", [])
        limits.measure("indexes, table", table, len(indexes), 20)
    limits.measure("routes, API", "", len(stack.of_type("AWS::ApiGatewayV2::Route")), 300)
    for authorizer, properties in stack.of_type("AWS::ApiGatewayV2::Authorizer").items():
        audience = listed(properties.get("JwtConfiguration", {}).get("Audience", []))
        limits.measure("audiences, authorizer", authorizer, len(audience), 50)
    for dashboard, properties in stack.of_type("AWS::CloudWatch::Dashboard").items():
        limits.measure("widgets, dashboard", dashboard, len(json.loads(properties["DashboardBody"])["widgets"]), 500)


if __name__ == "__main__":
    main()
