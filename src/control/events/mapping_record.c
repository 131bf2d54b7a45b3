/* What a mapping is made of: a record out of a request, with AWS's defaults, rules and texts. */
#include <stdlib.h>
#include <string.h>

#include "control/events/mapping_priv.h"
#include "core/json/value.h"
#include "core/spec/arn.h"

#define WINDOW_FROM_BATCH 10u /* larger batches need a window */
#define POLLERS_MIN 2
#define POLLERS_MAX 2000
#define MEMBER_UNSUPPORTED "Unsupported %s parameter for given event source mapping type."

static const char *const copied[] = {"KMSKeyArn", "MetricsConfig"};

/* Members that only other kinds of sources have. */
static const char *const foreign[] = {
	"StartingPositionTimestamp", "DestinationConfig", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
	"ParallelizationFactor", "TumblingWindowInSeconds", "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource",
	"AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig"};

/* ---- names ---- */

char *mapping_function_arn(struct mappings *all, struct str text, struct error *err)
{
	const struct settings *s = all->deps.settings;
	struct function_ref ref;
	char arn[FUNCTION_ARN_MAX];
	if (!function_ref_parse(&ref, text) || (ref.region.p && !str_eqz(ref.region, s->region)) ||
	    (ref.account.p && !str_eqz(ref.account, s->account)) || ref.name.n > FUNCTION_NAME_MAX || ref.qualifier.n > FUNCTION_QUALIFIER_MAX) {
		error_set(err, ERR_NOT_FOUND, "Function not found: %.*s", text.n < 160 ? (int)text.n : 160, text.p ? text.p : "");
		return NULL;
	}
	registry_arn(all->deps.registry, arn, ref.name, ref.qualifier);
	char *copy = strdup(arn);
	if (!copy)
		error_set(err, ERR_NO_MEMORY, "no memory for the mapping");
	return copy;
}

static const struct source_row *source_of(const struct mappings *all, struct str text)
{
	struct arn arn;
	if (!arn_parse(&arn, text))
		return NULL;
	for (const struct source_row *row = all->deps.sources; row && row->service; row++) {
		if (str_eqz(arn.service, row->service))
			return row;
	}
	return NULL;
}

/* ---- from requests ---- */

static int check_members(const json_t *request, struct error *err)
{
	if (json_object_get(request, "StartingPosition"))
		return error_set(err, ERR_INVALID, "StartingPosition is not valid for SQS event sources.");
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		const json_t *v = json_object_get(request, foreign[i]);
		if (v && !json_is_null(v))
			return error_set(err, ERR_INVALID, MEMBER_UNSUPPORTED, foreign[i]);
	}
	return 0;
}

static int set_identity(struct mappings *all, json_t *record, struct str uuid, struct str source, struct error *err)
{
	const struct settings *s = all->deps.settings;
	if (!source_of(all, source))
		return error_set(err, ERR_INVALID, "Unrecognized event source.");
	json_object_set_new(record, "Format", json_integer(1));
	json_object_set_new(record, "UUID", json_value_new_str(uuid));
	json_object_set_new(record, "EventSourceMappingArn", json_sprintf("arn:aws:lambda:%s:%s:event-source-mapping:" STR_FMT, s->region,
	                    s->account, STR_ARG(uuid)));
	json_object_set_new(record, "EventSourceArn", json_value_new_str(source));
	json_object_set_new(record, "BatchSize", json_integer(MAPPING_BATCH_DEFAULT));
	json_object_set_new(record, "MaximumBatchingWindowInSeconds", json_integer(0));
	json_object_set_new(record, "FunctionResponseTypes", json_array());
	json_object_set_new(record, "Enabled", json_true());
	json_object_set_new(record, "StateTransitionReason", json_string("USER_INITIATED"));
	return 0;
}

static int set_function(struct mappings *all, json_t *record, const json_t *request, struct error *err)
{
	struct str text = json_value_text(json_object_get(request, "FunctionName"));
	if (!text.p)
		return 0;
	char *arn = mapping_function_arn(all, text, err);
	if (!arn)
		return -1;
	json_object_set_new(record, "FunctionArn", json_string(arn));
	free(arn);
	return 0;
}

/* A member that an empty object (or list) takes away. */
static void set_or_remove(json_t *record, const json_t *request, const char *key, const char *inside)
{
	json_t *v = json_object_get(request, key);
	const json_t *content = inside ? json_object_get(v, inside) : v;
	if (!v)
		return;
	if (json_is_null(v) || !content || json_is_null(content) || (json_is_array(content) && !json_array_size(content)))
		json_object_del(record, key);
	else
		json_object_set(record, key, v);
}

static void set_given(json_t *record, const json_t *request)
{
	static const char *const plain[] = {"BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "Enabled"};
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		json_t *v = json_object_get(request, plain[i]);
		if (v && !json_is_null(v))
			json_object_set(record, plain[i], v);
	}
	for (size_t i = 0; i < ARRAY_LEN(copied); i++)
		set_or_remove(record, request, copied[i], NULL);
	set_or_remove(record, request, "FilterCriteria", "Filters");
	set_or_remove(record, request, "ScalingConfig", "MaximumConcurrency");
	json_t *pollers = json_object_get(request, "ProvisionedPollerConfig");
	if (pollers && !json_object_size(pollers))
		json_object_del(record, "ProvisionedPollerConfig");
	else if (pollers)
		json_object_set(record, "ProvisionedPollerConfig", pollers);
}

void mapping_stamp(json_t *record)
{
	json_object_set_new(record, "LastModified", json_real((double)clock_wall_ms() / 1000.0));
}

json_t *mapping_record(struct mappings *all, const json_t *now, struct str uuid, const json_t *request, struct error *err)
{
	CLEANUP_JSON json_t *record = now ? json_copy((json_t *)now) : json_object();
	struct str source = json_value_text(json_object_get(request, "EventSourceArn"));
	if (!now && set_identity(all, record, uuid, source, err) < 0)
		return NULL;
	if (check_members(request, err) < 0 || set_function(all, record, request, err) < 0)
		return NULL;
	set_given(record, request);
	if (!now && json_object_size(json_object_get(request, "Tags")))
		json_object_set(record, "Tags", json_object_get(request, "Tags"));
	mapping_stamp(record);
	return STEAL_PTR(record);
}

/* ---- reading ---- */

static unsigned number(const json_t *object, const char *key, unsigned otherwise)
{
	const json_t *v = json_object_get(object, key);
	double n = json_number_value(v);
	return json_is_number(v) && n >= 0 && n <= 1e6 ? (unsigned)n : otherwise;
}

static int read_filters(const json_t *record, struct mapping_config *c, struct error *err)
{
	const json_t *list = json_object_get(json_object_get(record, "FilterCriteria"), "Filters");
	size_t i;
	json_t *one;
	if (json_array_size(list) > MAPPING_FILTERS_MAX)
		return error_set(err, ERR_INVALID, "The number of filters exceeds the maximum of %u.", MAPPING_FILTERS_MAX);
	json_array_foreach(list, i, one) {
		struct str pattern = json_value_text(json_object_get(one, "Pattern"));
		c->filters[i] = match_compile(pattern, MATCH_FILTER, err);
		if (!c->filters[i])
			return -1;
		c->filter_count = i + 1;
	}
	return 0;
}

static int read_limits(const json_t *record, struct mapping_config *c, struct error *err)
{
	const json_t *pollers = json_object_get(record, "ProvisionedPollerConfig");
	unsigned most = number(json_object_get(record, "ScalingConfig"), "MaximumConcurrency", 0);
	unsigned pollers_min = number(pollers, "MinimumPollers", POLLERS_MIN), pollers_max = number(pollers, "MaximumPollers", POLLERS_MAX / 10);
	c->limit_max = most ? most : MAPPING_LIMIT_MAX;
	c->limit_first = c->limit_max < MAPPING_LIMIT_FIRST ? c->limit_max : MAPPING_LIMIT_FIRST;
	if (!pollers)
		return 0;
	if (most)
		return error_set(err, ERR_INVALID, "ScalingConfig and ProvisionedPollerConfig cannot be used at the same time.");
	if (pollers_min < POLLERS_MIN || pollers_max > POLLERS_MAX || pollers_max < pollers_min)
		return error_set(err, ERR_INVALID, "MinimumPollers must be at least %d, MaximumPollers at most %d, and not less than MinimumPollers.",
		                 POLLERS_MIN, POLLERS_MAX);
	c->limit_first = pollers_min * MAPPING_BATCHES_PER_POLLER;
	c->limit_max = pollers_max * MAPPING_BATCHES_PER_POLLER;
	return 0;
}

static bool reports_items(const json_t *record)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(record, "FunctionResponseTypes"), i, one) {
		if (str_eqz(json_value_text(one), "ReportBatchItemFailures"))
			return true;
	}
	return false;
}

int mapping_config_read(struct mappings *all, const json_t *record, struct mapping_config *out, struct error *err)
{
	struct mapping_config c = {.enabled = !json_is_false(json_object_get(record, "Enabled")), .partial = reports_items(record)};
	struct str arn = json_value_text(json_object_get(record, "EventSourceArn"));
	struct str function = json_value_text(json_object_get(record, "FunctionArn"));
	c.batch_size = number(record, "BatchSize", MAPPING_BATCH_DEFAULT);
	c.window_s = number(record, "MaximumBatchingWindowInSeconds", 0);
	c.source = source_of(all, arn);
	if (!c.source || !function.p || !c.batch_size)
		return error_set(err, ERR_INVALID, "Unrecognized event source.");
	c.arn = str_dup(arn);
	c.function = str_dup(function);
	if (!c.arn || !c.function || !function_ref_parse(&c.ref, str_from(c.function)) || read_limits(record, &c, err) < 0 ||
	    read_filters(record, &c, err) < 0) {
		mapping_config_release(&c);
		return -1;
	}
	*out = c;
	return 0;
}

void mapping_config_release(struct mapping_config *c)
{
	for (size_t i = 0; i < c->filter_count; i++)
		match_free(c->filters[i]);
	free(c->arn);
	free(c->function);
	*c = (struct mapping_config){0};
}

/* ---- what depends on others ---- */

static int check_sizes(const struct mapping_config *c, bool ordered, struct error *err)
{
	if (ordered && c->window_s)
		return error_set(err, ERR_INVALID, "Batching window is not supported for FIFO queues");
	if (ordered && c->batch_size > MAPPING_FIFO_BATCH_MAX)
		return error_set(err, ERR_INVALID, "Maximum batch size for FIFO queues is %u", MAPPING_FIFO_BATCH_MAX);
	if (c->batch_size > WINDOW_FROM_BATCH && !c->window_s)
		return error_set(err, ERR_INVALID, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than %u",
		                 WINDOW_FROM_BATCH);
	return 0;
}

static int check_source(const struct mapping_config *c, unsigned timeout_s, struct error *err)
{
	struct source_info info;
	struct error why = {0};
	if (c->source->ops->info(c->source->arg, str_from(c->arn), &info, &why) < 0)
		return error_set(err, ERR_INVALID, "Error occurred while ReceiveMessage. SQS Error Code: %s. SQS Error Message: %s",
		                 why.code == ERR_NOT_FOUND ? "AWS.SimpleQueueService.NonExistentQueue" : "AccessDenied", why.msg);
	if (check_sizes(c, info.ordered, err) < 0)
		return -1;
	if (info.visibility_s < timeout_s)
		return error_set(err, ERR_INVALID, "Queue visibility timeout: %u seconds is less than Function timeout: %u seconds", info.visibility_s,
		                 timeout_s);
	return 0;
}

static int check_single(struct mappings *all, const struct mapping_config *c, const struct mapping *self, struct error *err)
{
	HASH_FOREACH(node, &all->by_uuid) {
		const struct mapping *m = CONTAINER_OF(node, struct mapping, by_uuid);
		if (m == self || strcmp(m->config.arn, c->arn) != 0 || strcmp(m->config.function, c->function) != 0)
			continue;
		return error_set(err, ERR_EXISTS, "%s", m->uuid);
	}
	return 0;
}

/* A mapping whose ends are gone can be switched off, and changed while it is. */
static bool is_at_rest(const struct mapping_config *c, const struct mapping *self)
{
	return self && !c->enabled && strcmp(c->function, self->config.function) == 0;
}

int mapping_config_check(struct mappings *all, const struct mapping_config *c, const struct mapping *self, struct error *err)
{
	if (is_at_rest(c, self))
		return check_sizes(c, false, err);
	CLEANUP_JSON json_t *function = registry_show(all->deps.registry, c->ref.name, c->ref.qualifier, err);
	if (!function)
		return -1;
	if (check_source(c, number(function, "Timeout", 3), err) < 0)
		return -1;
	return check_single(all, c, self, err);
}
