"""Checks what a subscriber more is given by the templates: queues, rights, a function, alarms that somebody is told of, and
its place on the dashboard.
"""

import argparse
import pathlib
import sys

from limits import PRODUCTION, grown
from translated import Stack, listed, translated


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--templates", required=True, type=pathlib.Path, help="folder of the two templates")
    options.add_argument("--id", required=True, help="what the subscriber's resources are called after")
    options.add_argument("--name", required=True)
    given = options.parse_args()

    folder = given.templates / "expanded"
    folder.mkdir(exist_ok=True)
    template, observability = grown(given.templates, folder, contexts=1, subscribers=0)
    stack = Stack(*translated(template, "shop", **PRODUCTION))
    nested = stack.of_type("AWS::CloudFormation::Stack")["Observability"]["Parameters"]
    watched = Stack(*translated(observability, "nested", **nested))

    findings = [*deployed(stack, given.id, given.name), *told(watched, given.id, given.name)]
    for finding in findings:
        print(finding)
    of_it = [name for name in (stack.resources | watched.resources) if name.startswith(given.id)]
    print(f"{given.name}: {len(of_it)} resources, {len(findings)} findings")
    sys.exit(bool(findings) or len(of_it) < 25)


def deployed(stack, id, name):
    queues = {kind: f"shop-{name}-{kind}" for kind in ("updates", "dead-letters", "undelivered")}
    arns = {kind: f"arn:aws:sqs:us-east-1:123456789012:{queue}" for kind, queue in queues.items()}
    there = {properties["QueueName"] for properties in stack.of_type("AWS::SQS::Queue").values()}
    yield from (f"there is no queue {queue}" for queue in queues.values() if queue not in there)

    (subscription,) = [of for of in stack.of_type("AWS::SNS::Subscription").values() if of["Endpoint"] == arns["updates"]]
    if subscription["RedrivePolicy"]["deadLetterTargetArn"] != arns["undelivered"] or not subscription["RawMessageDelivery"]:
        yield f"what the topic cannot hand over is lost: {subscription}"
    sent = {
        resource
        for policy in stack.of_type("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        for resource in listed(statement["Resource"])
        if statement["Condition"]["ArnEquals"]["aws:SourceArn"] == stack.reference("EventTopic")
    }
    yield from (f"the topic may not send to {arns[kind]}" for kind in ("updates", "undelivered") if arns[kind] not in sent)

    function = f"arn:aws:lambda:us-east-1:123456789012:function:shop-{name}:live"
    sources = stack.of_type("AWS::Lambda::EventSourceMapping").values()
    if not any((source["FunctionName"], source["EventSourceArn"]) == (function, arns["updates"]) for source in sources):
        yield f"{function} does not read {arns['updates']}"
    variables = stack.of_type("AWS::Lambda::Function")[f"{id}Updater"]["Environment"]["Variables"]
    if [variables[of].rsplit("/", 1)[1] for of in ("QUEUE", "DEAD_LETTERS")] != [queues["updates"], queues["dead-letters"]]:
        yield f"the function has the queues of another: {variables}"

    looks, takes = ["sqs:ReceiveMessage", "sqs:GetQueueAttributes"], ["sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    kept = [arns["dead-letters"], arns["undelivered"]]
    for role, actions, resources in (
        ("RedriveRole", ["sqs:SendMessage"], [arns["updates"]]),
        ("RedriveRole", looks + takes, kept),
        ("OperatorRole", ["sqs:SendMessage"], [arns["updates"]]),
        ("OperatorRole", looks, kept),
        ("RebuildRole", ["sqs:SendMessage"], [arns["updates"]]),
        (f"{id}UpdaterRole", looks + takes, [arns["updates"]]),
        (f"{id}UpdaterRole", ["sqs:SendMessage"], [arns["dead-letters"]]),
    ):
        allowed = {pair for pair in rights(stack, role)}
        missing = [(action, arn) for action in actions for arn in resources if (action, arn) not in allowed]
        yield from (f"{role} lacks {action} on {arn}" for action, arn in missing)


def rights(stack, role):
    """Each action that a role may do, with the resource."""
    policies = [policy["PolicyDocument"] for policy in stack.of_type("AWS::IAM::Role")[role].get("Policies", [])]
    for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        attached = [of for of in stack.of_type(kind).values() if stack.reference(role) in of.get("Roles", [])]
        policies += [of["PolicyDocument"] for of in attached]
    for statement in (statement for policy in policies for statement in policy["Statement"]):
        yield from ((action, arn) for action in listed(statement["Action"]) for arn in listed(statement["Resource"]))


def told(stack, id, name):
    alarms = {of: properties for of, properties in stack.of_type("AWS::CloudWatch::Alarm").items() if of.startswith(id)}
    composites = stack.of_type("AWS::CloudWatch::CompositeAlarm")
    rules = [properties["AlarmRule"] for of, properties in composites.items() if of in (f"{id}Alarm", f"{id}RepairAlarm")]
    for of, properties in alarms.items():
        # The language extensions make a text of the rule, with the reference as Python shows it.
        if not any(f"""ALARM("{{'Ref': '{of}'}}")""" in rule for rule in rules):
            yield f"nobody is told of {of}"
        if not properties["AlarmName"].startswith(f"shop-{name}-"):
            yield f"{of} is called {properties['AlarmName']}"
    if len(rules) != 2 or len(alarms) < 12:
        yield f"{len(alarms)} alarms, {len(rules)} composite ones"
    context = name.replace("-", "_")
    parked = {
        dimension["Value"]
        for properties in alarms.values()
        for dimension in properties.get("Dimensions", [])
        if dimension["Name"] == "Context"
    }
    if parked != {context, f"{context}_subscription"}:
        yield f"alarms watch what is parked under {parked}"
    body = stack.of_type("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]
    for search in ("shop updates", "shop ((dead letters)"):
        if search not in body:
            yield f"the dashboard does not search for {search}"


if __name__ == "__main__":
    main()
