/* Constraints of the operations that are there, in the model's order; what errors show is written as AWS shows it. */
#ifndef MAYFLY_API_RULES_H
#define MAYFLY_API_RULES_H

#include "control/api/api_priv.h"

/* In the order in which AWS shows it. */
#define RUNTIMES_SHOWN \
	"nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, " \
	"python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, " \
	"dotnet6, nodejs18.x, provided.al2, java8.al2"

extern const struct api_rules rules_create_function, rules_update_code, rules_update_configuration, rules_publish_version,
	rules_create_alias, rules_update_alias, rules_alias, rules_list_aliases, rules_namespaced, rules_namespaced_page,
	rules_function, rules_function_page, rules_function_url, rules_create_url, rules_update_url, rules_list_functions, rules_put_concurrency, rules_tags,
	rules_tag, rules_untag, rules_provisioned, rules_mappings, rules_layers, rules_layer_versions, rules_page,
	rules_scaling, rules_invoke, rules_invoke_stream, rules_create_mapping, rules_update_mapping, rules_add_permission, rules_remove_permission,
	rules_put_recursion, rules_event_invoke, rules_event_invoke_list,
	rules_publish_layer, rules_layer_version, rules_layer_by_arn, rules_add_layer_permission, rules_remove_layer_permission;

/* rules_more.c */
extern const struct api_rules rules_delete_provisioned, rules_put_provisioned, rules_create_signing, rules_signing,
	rules_update_signing, rules_signing_functions, rules_put_signing, rules_put_runtime_management, rules_capacity_page,
	rules_create_capacity, rules_capacity, rules_update_capacity, rules_capacity_versions, rules_put_scaling,
	rules_callback_failure, rules_callback, rules_durable, rules_durable_checkpoint, rules_durable_history,
	rules_durable_state, rules_durable_stop, rules_durable_list;

#endif
