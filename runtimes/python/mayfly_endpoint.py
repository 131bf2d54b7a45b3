"""Makes botocore before 1.31 (boto3 before 1.28) read the endpoint from the environment, as later ones do by themselves.

Loaded when the function's code imports botocore, whoever's copy that is. Read are AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL and
AWS_IGNORE_CONFIGURED_ENDPOINT_URLS; an `endpoint_url` given by the function wins.
"""
from os import environ

FIRST_THAT_READS_IT = (1, 31)
ENDPOINT_URL_AT = 4     # among the positional parameters of create_client behind the service's name
VARIABLE = "AWS_ENDPOINT_URL"


def install(session):
    """`session`: the module botocore.session, just loaded."""
    import botocore
    if not _reads_it(botocore.__version__):
        session.Session.create_client = _wrap(session.Session.create_client)


def _reads_it(version):
    try:
        return tuple(int(n) for n in version.split(".")[:2]) >= FIRST_THAT_READS_IT
    except ValueError:
        return True


def _wrap(create):
    def create_client(self, service_name, *args, **kwargs):
        if len(args) <= ENDPOINT_URL_AT and kwargs.get("endpoint_url") is None:
            url = _configured(self, service_name)
            if url:
                kwargs["endpoint_url"] = url
        return create(self, service_name, *args, **kwargs)

    create_client.__doc__ = create.__doc__
    return create_client


def _configured(session, service_name):
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    if any(name.startswith(VARIABLE + "_") for name in environ):
        service = session.get_service_model(service_name).service_id.replace(" ", "_").upper()
        url = environ.get("%s_%s" % (VARIABLE, service))
        if url:
            return url
    return environ.get(VARIABLE)
