"""All paginators and waiters that the SDK has for the Lambda API."""
import botocore
import botocore.session
from botocore.exceptions import WaiterError

from api_case import ACCOUNT, ApiCase, REGION, ZIP, main, needs_current_sdk, needs_server, unique

SESSION = botocore.session.get_session()
MODEL = SESSION.get_service_model("lambda")
PAGINATORS = botocore.paginate.PaginatorModel(SESSION.get_component("data_loader").load_service_model("lambda", "paginators-1"))
NAMES = sorted(PAGINATORS._paginator_config)
WAITERS = sorted(SESSION.get_waiter_model("lambda").waiter_names)
SIGNING = "arn:aws:lambda:%s:%s:code-signing-config:csc-%s" % (REGION, ACCOUNT, "a" * 17)
EXECUTION = "arn:aws:lambda:%s:%s:function:f:1/durable-execution/a/b" % (REGION, ACCOUNT)
# What there is none of: an empty page, or the error for what is not there.
NONE = {"ListCodeSigningConfigs": {}, "ListCapacityProviders": {}, "ListProvisionedConcurrencyConfigs": "name", "ListDurableExecutionsByFunction": "name",
        "ListFunctionsByCodeSigningConfig": {"CodeSigningConfigArn": SIGNING}, "ListFunctionVersionsByCapacityProvider": {"CapacityProviderName": "c"},
        "GetDurableExecutionHistory": {"DurableExecutionArn": EXECUTION}, "GetDurableExecutionState": {"DurableExecutionArn": EXECUTION, "CheckpointToken": "AAAA"}}
GONE = {"ListFunctionsByCodeSigningConfig", "ListFunctionVersionsByCapacityProvider", "GetDurableExecutionHistory", "GetDurableExecutionState"}


@needs_server
@needs_current_sdk
class Pages(ApiCase):
    """Lists of three are asked for one at a time."""

    def pages(self, name, **given):
        paginator = self.client.get_paginator(botocore.xform_name(name))
        pages = list(paginator.paginate(PaginationConfig={"PageSize": 1}, **given))
        key = paginator.result_keys[0].expression
        return pages, [row for page in pages for row in page[key]]

    def check(self, name, key, wanted, **given):
        pages, rows = self.pages(name, **given)
        found = [row[key] for row in rows]
        self.assertEqual([w for w in found if w in wanted], sorted(wanted, key=found.index), name)
        self.assertGreaterEqual(len(pages), len(wanted), name)
        self.assertTrue(all(len(page[k]) <= 1 for page in pages for k in page if isinstance(page[k], list)), name)
        self.paged.add(name)

    def test_all(self):
        self.paged = set()
        names = [self.create(wait=False) for _ in range(2)] + [self.create(Publish=True)]
        name, of = names[2], {"FunctionName": names[2]}
        for timeout in (4, 5):
            self.client.update_function_configuration(Timeout=timeout, **of)
            self.wait(name)
            self.client.publish_version(**of)
        for alias in ("a", "b", "c"):
            self.client.create_alias(Name=alias, FunctionVersion="1", **of)
            self.client.put_function_event_invoke_config(Qualifier=alias, MaximumRetryAttempts=1, **of)
            self.client.create_function_url_config(Qualifier=alias, AuthType="NONE", **of)
        layers = sorted(unique("l") for _ in range(2))
        for layer in layers + layers[:1] * 2:
            self.client.publish_layer_version(LayerName=layer, Content={"ZipFile": ZIP})
        arns = []
        for _ in range(2):
            queue = unique("q")
            self.server.client("sqs").create_queue(QueueName=queue)
            arns.append(self.client.create_event_source_mapping(
                FunctionName=name, Enabled=False, EventSourceArn="arn:aws:sqs:%s:%s:%s" % (REGION, ACCOUNT, queue))["UUID"])
        self.check("ListFunctions", "FunctionName", names)
        self.check("ListVersionsByFunction", "Version", ["$LATEST", "1", "2", "3"], **of)
        self.check("ListAliases", "Name", ["a", "b", "c"], **of)
        self.check("ListFunctionEventInvokeConfigs", "FunctionArn", [self.arn(name, a) for a in "abc"], **of)
        self.check("ListFunctionUrlConfigs", "FunctionArn", [self.arn(name, a) for a in "abc"], **of)
        self.check("ListLayers", "LayerName", layers)
        self.check("ListLayerVersions", "Version", [3, 2, 1], LayerName=layers[0])
        self.check("ListEventSourceMappings", "UUID", arns, **of)
        for none, given in NONE.items():
            given = of if given == "name" else given
            if none in GONE:
                with self.assertRaises(self.client.exceptions.ClientError):
                    self.pages(none, **given)
            else:
                self.assertEqual(self.pages(none, **given)[1], [])
        self.assertEqual(sorted(self.paged | set(NONE)), NAMES)

    def arn(self, name, alias):
        return "arn:aws:lambda:%s:%s:function:%s:%s" % (REGION, ACCOUNT, name, alias)


@needs_server
@needs_current_sdk
class Waiters(ApiCase):
    FAST = {"Delay": 0.01, "MaxAttempts": 500}

    def test_all(self):
        name = self.create(wait=False)
        waited = set()
        for waiter in ("FunctionExists", "FunctionActive", "FunctionActiveV2", "FunctionUpdated", "FunctionUpdatedV2"):
            self.client.get_waiter(botocore.xform_name(waiter)).wait(FunctionName=name, WaiterConfig=self.FAST)
            waited.add(waiter)
        self.client.publish_version(FunctionName=name)
        self.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=self.FAST)
        self.assertEqual(sorted(waited | {"PublishedVersionActive"}), WAITERS)

    def test_what_never_comes(self):
        for waiter, tries in (("function_exists", 2), ("function_active_v2", 2)):
            with self.assertRaises(WaiterError):
                self.client.get_waiter(waiter).wait(FunctionName="nobody", WaiterConfig={"Delay": 0, "MaxAttempts": tries})


if __name__ == "__main__":
    main()
