/* Event patterns: what matches, what does not, what is refused and in which words. Rows marked "recorded" are answers AWS was seen to give. */
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/match/match.h"
#include "tests/unit/test.h"

struct row {
	const char *pattern, *event;
	bool holds;
};

static const struct row exact_rows[] = {
	{"{\"a\":[\"x\"]}", "{\"a\":\"x\"}", true},
	{"{\"a\":[\"x\"]}", "{\"a\":\"X\"}", false},
	{"{\"a\":[\"x\"]}", "{\"A\":\"x\"}", false},
	{"{\"a\":[\"x\"]}", "{\"a\":\"xx\"}", false},
	{"{\"a\":[\"xx\"]}", "{\"a\":\"x\"}", false},
	{"{\"a\":[\"x\"]}", "{}", false},
	{"{\"a\":[\"x\",\"y\"]}", "{\"b\":1,\"a\":\"y\"}", true},
	{"{\"a\":[\"\"]}", "{\"a\":\"\"}", true},
	{"{\"a\":[\"\"]}", "{\"a\":null}", false},
	{"{\"a\":[\"\"]}", "{\"a\":\" \"}", false},
	{"{\"\":[1]}", "{\"\":1}", true},
	{"{\"a\":[true]}", "{\"a\":true}", true},
	{"{\"a\":[true]}", "{\"a\":\"true\"}", false},
	{"{\"a\":[\"true\"]}", "{\"a\":true}", false},
	{"{\"a\":[false]}", "{\"a\":true}", false},
	{"{\"a\":[null]}", "{\"a\":null}", true},
	{"{\"a\":[null]}", "{\"a\":\"null\"}", false},
	{"{\"a\":[null]}", "{\"a\":[]}", false}, /* recorded */
	{"{\"a\":[null]}", "{}", false},
	{"{\"a\":[null,\"x\"]}", "{\"a\":\"x\"}", true},
	{"{\"a\":[{\"exactly\":\"x\"}]}", "{\"a\":\"x\"}", true},
	{"{\"a\":[\"x\"],\"b\":[1]}", "{\"b\":1,\"a\":\"x\"}", true},
	{"{\"a\":[\"x\"],\"b\":[1]}", "{\"a\":\"x\",\"b\":2}", false},
	{"{\"a\":[\"x\"],\"b\":[1]}", "{\"a\":\"x\"}", false},
	{" { \"a\" : [ \"x\" ] } ", " { \"a\" :\n\t\"x\" } ", true},
	{"{\"a\":[1],\"a\":[2]}", "{\"a\":1}", false}, /* of two the last */
	{"{\"a\":[1],\"a\":[2]}", "{\"a\":2}", true},
	{"{\"a\":{\"b\":[1]},\"a\":{\"c\":[2]}}", "{\"a\":{\"b\":1,\"c\":2}}", true},
	{"{\"a\":{\"b\":[1]},\"a\":{\"c\":[2]}}", "{\"a\":{\"c\":2}}", false},
	{"{\"a\":[1]}", "{\"a\":2,\"a\":1}", true},
};

static const struct row number_rows[] = {
	{"{\"a\":[300]}", "{\"a\":300}", true},
	{"{\"a\":[300]}", "{\"a\":300.0}", true}, /* recorded, against the documentation */
	{"{\"a\":[300.0]}", "{\"a\":3.0e2}", true},
	{"{\"a\":[300]}", "{\"a\":0.3E+3}", true},
	{"{\"a\":[300]}", "{\"a\":30000e-2}", true},
	{"{\"a\":[300]}", "{\"a\":\"300\"}", false},
	{"{\"a\":[\"300\"]}", "{\"a\":300}", false},
	{"{\"a\":[300]}", "{\"a\":301}", false},
	{"{\"a\":[-1]}", "{\"a\":-1.000}", true},
	{"{\"a\":[0]}", "{\"a\":-0.0}", true},
	{"{\"a\":[0]}", "{\"a\":0e99999999999}", true},
	{"{\"a\":[0.1]}", "{\"a\":0.10}", true},
	{"{\"a\":[123456789012]}", "{\"a\":123456789012}", true}, /* beyond the range: as texts */
	{"{\"a\":[123456789012]}", "{\"a\":123456789013}", false},
	{"{\"a\":[123456789012]}", "{\"a\":123456789012.0}", false},
	{"{\"a\":[1e400]}", "{\"a\":1e400}", true},
	{"{\"a\":[0.000001]}", "{\"a\":1e-6}", true},
	{"{\"a\":[0.000001]}", "{\"a\":0.000002}", false},
	{"{\"a\":[{\"numeric\":[\"=\",5]}]}", "{\"a\":5.0}", true},
	{"{\"a\":[{\"numeric\":[\"=\",3.018e2]}]}", "{\"a\":301.8}", true},
	{"{\"a\":[{\"numeric\":[\"=\",5]}]}", "{\"a\":\"5\"}", false}, /* recorded */
	{"{\"a\":[{\"numeric\":[\"=\",0]}]}", "{\"a\":null}", false}, /* recorded */
	{"{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":0}", false},
	{"{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":0.000001}", true},
	{"{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":5}", true},
	{"{\"a\":[{\"numeric\":[\">\",0,\"<=\",5]}]}", "{\"a\":5.000001}", false},
	{"{\"a\":[{\"numeric\":[\">=\",0,\"<\",5]}]}", "{\"a\":0}", true},
	{"{\"a\":[{\"numeric\":[\">=\",0,\"<\",5]}]}", "{\"a\":5}", false},
	{"{\"a\":[{\"numeric\":[\"<\",10]}]}", "{\"a\":-5000000000}", true},
	{"{\"a\":[{\"numeric\":[\"<\",10]}]}", "{\"a\":-5000000001}", false},
	{"{\"a\":[{\"numeric\":[\"<\",10]}]}", "{\"a\":10}", false},
	{"{\"a\":[{\"numeric\":[\"<=\",10]}]}", "{\"a\":10}", true},
	{"{\"a\":[{\"numeric\":[\">\",10]}]}", "{\"a\":5e9}", true},
	{"{\"a\":[{\"numeric\":[\">\",10]}]}", "{\"a\":6e9}", false},
	{"{\"a\":[{\"numeric\":[\">\",3]}]}", "{\"a\":3.14159265358979}", true},
	{"{\"a\":[{\"numeric\":[\">\",-1.5]}]}", "{\"a\":-1.4}", true},
	{"{\"a\":[{\"numeric\":[\">\",-1.5]}]}", "{\"a\":-1.6}", false},
};

static const struct row text_rows[] = {
	{"{\"a\":[{\"prefix\":\"ab\"}]}", "{\"a\":\"abc\"}", true},
	{"{\"a\":[{\"prefix\":\"ab\"}]}", "{\"a\":\"ab\"}", true},
	{"{\"a\":[{\"prefix\":\"ab\"}]}", "{\"a\":\"a\"}", false},
	{"{\"a\":[{\"prefix\":\"\"}]}", "{\"a\":\"\"}", true},
	{"{\"a\":[{\"prefix\":\"1\"}]}", "{\"a\":12}", false},
	{"{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"EventB\"}}]}", "{\"a\":\"eventbridge\"}", true},
	{"{\"a\":[{\"prefix\":{\"equals-ignore-case\":\"EventB\"}}]}", "{\"a\":\"event\"}", false},
	{"{\"a\":[{\"suffix\":\".png\"}]}", "{\"a\":\"x.png\"}", true},
	{"{\"a\":[{\"suffix\":\".png\"}]}", "{\"a\":\".png\"}", true},
	{"{\"a\":[{\"suffix\":\".png\"}]}", "{\"a\":\"png\"}", false},
	{"{\"a\":[{\"suffix\":\".png\"}]}", "{\"a\":\"x.png.gz\"}", false},
	{"{\"a\":[{\"suffix\":\"\\u00e9\"}]}", "{\"a\":\"caf\\u00e9\"}", true},
	{"{\"a\":[{\"suffix\":\"e\\n\"}]}", "{\"a\":\"caf\\u0065\\u000a\"}", true},
	{"{\"a\":[{\"suffix\":\"x\"}]}", "{\"a\":[\"y\",\"yx\"]}", true},
	{"{\"a\":[{\"suffix\":\"1\"}]}", "{\"a\":1}", false},
	{"{\"a\":[{\"suffix\":{\"equals-ignore-case\":\"TBridge\"}}]}", "{\"a\":\"EventBRIDGE\"}", true},
	{"{\"a\":[{\"suffix\":{\"equals-ignore-case\":\"TBridge\"}}]}", "{\"a\":\"bridge\"}", false},
	{"{\"a\":[{\"suffix\":{\"equals-ignore-case\":\"\\u00c9\"}}]}", "{\"a\":\"caf\xC3\xA9\"}", true},
	{"{\"a\":[{\"equals-ignore-case\":\"Alice\"}]}", "{\"a\":\"aLICE\"}", true},
	{"{\"a\":[{\"equals-ignore-case\":\"Alice\"}]}", "{\"a\":\"alices\"}", false},
	{"{\"a\":[{\"equals-ignore-case\":\"\"}]}", "{\"a\":\"\"}", true},
	{"{\"a\":[{\"equals-ignore-case\":\"\"}]}", "{\"a\":\"x\"}", false},
	{"{\"a\":[{\"equals-ignore-case\":\"\xC3\x84rger \xD0\x9C\xD0\x98\xD0\xA0\"}]}", "{\"a\":\"\xC3\xA4RGER \xD0\xBC\xD0\xB8\xD1\x80\"}", true},
	{"{\"a\":[{\"equals-ignore-case\":\"[x]\"}]}", "{\"a\":\"{x}\"}", false},
	{"{\"a\":[{\"wildcard\":\"*\"}]}", "{\"a\":\"\"}", true},
	{"{\"a\":[{\"wildcard\":\"*\"}]}", "{\"a\":1}", false},
	{"{\"a\":[{\"wildcard\":\"\"}]}", "{\"a\":\"\"}", true},
	{"{\"a\":[{\"wildcard\":\"\"}]}", "{\"a\":\"x\"}", false},
	{"{\"a\":[{\"wildcard\":\"x\"}]}", "{\"a\":\"x\"}", true},
	{"{\"a\":[{\"wildcard\":\"a*b\"}]}", "{\"a\":\"ab\"}", true},
	{"{\"a\":[{\"wildcard\":\"a*b\"}]}", "{\"a\":\"axxbxb\"}", true},
	{"{\"a\":[{\"wildcard\":\"a*b\"}]}", "{\"a\":\"axxbx\"}", false},
	{"{\"a\":[{\"wildcard\":\"*ab*\"}]}", "{\"a\":\"aab\"}", true},
	{"{\"a\":[{\"wildcard\":\"*ab*\"}]}", "{\"a\":\"ba\"}", false},
	{"{\"a\":[{\"wildcard\":\"*.txt\"}]}", "{\"a\":\"a.txt.txt\"}", true},
	{"{\"a\":[{\"wildcard\":\"a\\\\*b\"}]}", "{\"a\":\"a*b\"}", true},
	{"{\"a\":[{\"wildcard\":\"a\\\\*b\"}]}", "{\"a\":\"axb\"}", false},
	{"{\"a\":[{\"wildcard\":\"a\\\\\\\\*\"}]}", "{\"a\":\"a\\\\b\"}", true},
	{"{\"a\":[{\"wildcard\":\"a*\\u00e9*z\"}]}", "{\"a\":\"a--\xC3\xA9--z\"}", true},
	{"{\"a\":[{\"wildcard\":\"arn:aws:events:us-east-1:*:event-bus/*\"}]}", "{\"a\":\"arn:aws:events:us-east-1:1:event-bus/x\"}", true},
	{"{\"a\":[{\"wildcard\":\"x*\"},{\"wildcard\":\"*y\"}]}", "{\"a\":\"ay\"}", true},
	/* escapes */
	{"{\"a\":[\"\\u0061\\/\\t\"]}", "{\"a\":\"a/\\u0009\"}", true},
	{"{\"\\u0061\":[1]}", "{\"a\":1}", true},
	{"{\"a\":[1]}", "{\"\\u0061\":1}", true},
	{"{\"a\":{\"b\":[1]}}", "{\"\\u0061\\u002eb\":1}", true},
	{"{\"a\":[\"\\ud83d\\ude00\"]}", "{\"a\":\"\xF0\x9F\x98\x80\"}", true},
	{"{\"a\":[\"\xF0\x9F\x98\x80\"]}", "{\"a\":\"\\uD83D\\uDE00\"}", true},
	{"{\"a\":[{\"prefix\":\"\\u20ac\"}]}", "{\"a\":\"\\u20AC1\"}", true},
	{"{\"a\":[\"\\ud83d\"]}", "{\"a\":\"\\ud83dx\"}", false},
	{"{\"a\":[\"a\\u0000\"]}", "{\"a\":\"a\\u0000\"}", true},
	{"{\"a\":[\"a\\u0000\"]}", "{\"a\":\"a\"}", false},
	{"{\"a\":[\"\\\\\"]}", "{\"a\":\"\\\\\"}", true}, /* recorded */
	{"{\"a\":[\"*\"]}", "{\"a\":\"*\"}", true},
};

static const struct row but_rows[] = {
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":\"y\"}", true},
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":\"x\"}", false},
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{}", false},            /* recorded */
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":null}", true},   /* recorded */
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":5}", true},
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":[]}", false},
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":{\"b\":1}}", false},
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":[\"x\",\"y\"]}", true},
	{"{\"a\":[{\"anything-but\":\"x\"}]}", "{\"a\":[\"x\",\"x\"]}", false},
	{"{\"a\":[{\"anything-but\":[\"x\",\"y\"]}]}", "{\"a\":\"y\"}", false},
	{"{\"a\":[{\"anything-but\":[\"x\",\"y\"]}]}", "{\"a\":\"z\"}", true},
	{"{\"a\":[{\"anything-but\":5}]}", "{\"a\":5.0}", false},
	{"{\"a\":[{\"anything-but\":5}]}", "{\"a\":\"5\"}", true},
	{"{\"a\":[{\"anything-but\":0}]}", "{\"a\":1}", true}, /* recorded */
	{"{\"a\":[{\"anything-but\":[100,200]}]}", "{\"a\":2e2}", false},
	{"{\"a\":[{\"anything-but\":[100,200]}]}", "{\"a\":201}", true},
	{"{\"a\":[{\"anything-but\":[100,200]}]}", "{\"a\":9e99}", true},
	{"{\"a\":[{\"anything-but\":{\"prefix\":\"in\"}}]}", "{\"a\":\"init\"}", false},
	{"{\"a\":[{\"anything-but\":{\"prefix\":\"in\"}}]}", "{\"a\":\"out\"}", true},
	{"{\"a\":[{\"anything-but\":{\"prefix\":\"in\"}}]}", "{\"a\":123}", true}, /* recorded */
	{"{\"a\":[{\"anything-but\":{\"prefix\":[\"in\",\"ou\"]}}]}", "{\"a\":\"out\"}", false},
	{"{\"a\":[{\"anything-but\":{\"prefix\":[\"in\",\"ou\"]}}]}", "{\"a\":null}", true}, /* recorded */
	{"{\"a\":[{\"anything-but\":{\"suffix\":\".png\"}}]}", "{\"a\":\"x.png\"}", false},
	{"{\"a\":[{\"anything-but\":{\"suffix\":[\".png\",\".gif\"]}}]}", "{\"a\":\"x.jpg\"}", true},
	{"{\"a\":[{\"anything-but\":{\"equals-ignore-case\":\"init\"}}]}", "{\"a\":\"INIT\"}", false},
	{"{\"a\":[{\"anything-but\":{\"equals-ignore-case\":[\"a\",\"b\"]}}]}", "{\"a\":\"c\"}", true},
	{"{\"a\":[{\"anything-but\":{\"equals-ignore-case\":[\"a\",\"b\"]}}]}", "{}", false}, /* recorded */
	{"{\"a\":[{\"anything-but\":{\"wildcard\":\"*/lib/*\"}}]}", "{\"a\":\"/usr/lib/x\"}", false},
	{"{\"a\":[{\"anything-but\":{\"wildcard\":\"*/lib/*\"}}]}", "{\"a\":\"/usr/bin/x\"}", true},
	{"{\"a\":[{\"anything-but\":{\"wildcard\":[\"*.a\",\"*.b\"]}}]}", "{\"a\":\"x.b\"}", false},
	{"{\"a\":[{\"anything-but\":{\"wildcard\":\"\"}}]}", "{\"a\":\"x\"}", true}, /* recorded */
	{"{\"a\":[{\"anything-but\":\"x\"},{\"exists\":false}]}", "{}", true}, /* recorded */
	{"{\"a\":[{\"anything-but\":\"x\"},{\"exists\":false}]}", "{\"a\":\"x\"}", false},
	{"{\"a\":[{\"anything-but\":\"x\"},{\"anything-but\":\"y\"}]}", "{\"a\":\"x\"}", true},
};

static const struct row exists_rows[] = {
	{"{\"a\":[{\"exists\":true}]}", "{\"a\":null}", true},
	{"{\"a\":[{\"exists\":true}]}", "{\"a\":\"\"}", true},
	{"{\"a\":[{\"exists\":true}]}", "{\"b\":1}", false},
	{"{\"a\":[{\"exists\":true}]}", "{\"a\":{\"b\":1}}", false}, /* recorded: leaves only */
	{"{\"a\":[{\"exists\":true}]}", "{\"a\":{}}", false},
	{"{\"a\":[{\"exists\":true}]}", "{\"a\":[]}", false},
	{"{\"a\":[{\"exists\":true}]}", "{\"a\":[1]}", true},
	{"{\"a\":[{\"exists\":false}]}", "{}", true},
	{"{\"a\":[{\"exists\":false}]}", "{\"a\":1}", false},
	{"{\"a\":[{\"exists\":false}]}", "{\"a\":null}", false},
	{"{\"a\":[{\"exists\":false}]}", "{\"a\":[]}", true},
	{"{\"a\":[{\"exists\":false}]}", "{\"a\":{\"b\":1}}", true},
	{"{\"a\":{\"b\":{\"c\":[{\"exists\":false}]}}}", "{\"a\":1}", true},
	{"{\"a\":{\"b\":{\"c\":[{\"exists\":false}]}}}", "{\"a\":{\"b\":{\"c\":1}}}", false},
	{"{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":\"x\"}", true},
	{"{\"a\":[{\"exists\":false},\"x\"]}", "{\"a\":\"y\"}", false},
	{"{\"a\":[{\"exists\":false}],\"b\":[1]}", "{\"b\":1}", true},
	{"{\"a\":[{\"exists\":false}],\"b\":[1]}", "{\"b\":2}", false},
	/* in arrays */
	{"{\"l\":{\"a\":[{\"exists\":false}]}}", "{\"l\":[{\"a\":1},{\"b\":2}]}", false},
	{"{\"l\":{\"a\":[{\"exists\":false}]}}", "{\"l\":[{\"b\":1},{\"b\":2}]}", true},
	{"{\"l\":{\"a\":[{\"exists\":false}],\"b\":[2]}}", "{\"l\":[{\"a\":1},{\"b\":2}]}", true},
	{"{\"l\":{\"a\":[{\"exists\":false}],\"b\":[2]}}", "{\"l\":[{\"a\":1,\"b\":2},{\"b\":3}]}", false},
};

static const struct row array_rows[] = {
	{"{\"a\":[\"x\"]}", "{\"a\":[\"w\",\"x\"]}", true},
	{"{\"a\":[\"x\"]}", "{\"a\":[[\"w\"],[[\"x\"]]]}", true},
	{"{\"a\":[\"x\"]}", "{\"a\":[]}", false},
	{"{\"a\":[\"x\"]}", "{\"a\":[{\"x\":\"x\"}]}", false},
	{"{\"a\":{\"b\":[\"x\"]}}", "{\"a\":[{\"b\":\"w\"},{\"b\":\"x\"}]}", true},
	{"{\"a\":{\"b\":[1],\"c\":[2]}}", "{\"a\":[{\"b\":1,\"c\":3},{\"b\":2,\"c\":2}]}", false},
	{"{\"a\":{\"b\":[1],\"c\":[2]}}", "{\"a\":[{\"b\":1,\"c\":3},{\"b\":1,\"c\":2}]}", true},
	{"{\"e\":{\"f\":[\"Anna\"],\"l\":[\"Jones\"]}}",
	 "{\"e\":[[{\"f\":\"John\",\"l\":\"Doe\"},{\"f\":\"Anna\",\"l\":\"Smith\"}],[{\"f\":\"Peter\",\"l\":\"Jones\"}]]}", false},
	{"{\"e\":{\"f\":[\"Anna\"],\"l\":[\"Smith\"]}}",
	 "{\"e\":[[{\"f\":\"John\",\"l\":\"Doe\"},{\"f\":\"Anna\",\"l\":\"Smith\"}],[{\"f\":\"Peter\",\"l\":\"Jones\"}]]}", true},
	{"{\"a\":{\"b\":{\"c\":[1]},\"d\":[2]}}", "{\"a\":[{\"b\":[{\"c\":0},{\"c\":1}],\"d\":2},{\"d\":3}]}", true},
	{"{\"a\":{\"b\":{\"c\":[1]},\"d\":[2]}}", "{\"a\":[{\"b\":[{\"c\":0},{\"c\":1}],\"d\":3},{\"d\":2}]}", false},
	{"{\"a\":{\"b\":{\"c\":[1],\"e\":[5]},\"d\":[2]}}", "{\"a\":[{\"b\":[{\"c\":1},{\"e\":5}],\"d\":2},{\"d\":3}]}", false},
	/* two arrays: a choice in each */
	{"{\"a\":{\"x\":[1]},\"b\":{\"y\":[1]}}", "{\"a\":[{\"x\":0},{\"x\":1}],\"b\":[{\"y\":1},{\"y\":0}]}", true},
	/* two parts of a pattern meet in the same array */
	{"{\"a\":{\"x\":[1]},\"$or\":[{\"a\":{\"y\":[2]}},{\"b\":[3]}]}", "{\"a\":[{\"x\":1},{\"y\":2}]}", false},
	{"{\"a\":{\"x\":[1]},\"$or\":[{\"a\":{\"y\":[2]}},{\"b\":[3]}]}", "{\"a\":[{\"x\":1},{\"x\":1,\"y\":2}]}", true},
	{"{\"a\":{\"x\":[1]},\"$or\":[{\"a\":{\"y\":[2]}},{\"b\":[3]}]}", "{\"a\":[{\"x\":1},{\"y\":2}],\"b\":3}", true},
	{"{\"a\":[1],\"a.b\":[2]}", "{\"a\":[1,{\"b\":2},{\"b\":3}]}", true},
	/* a scalar in a nested array is in an element of the outer one, one in the array itself is in none */
	{"{\"d\":[2],\"d.b\":[3]}", "{\"d\":[[2,4],{\"a\":1,\"b\":3}]}", false},
	{"{\"d\":[2],\"d.b\":[3]}", "{\"d\":[[2,{\"b\":3}],{\"b\":4}]}", true},
	{"{\"d\":[2],\"d.b\":[3]}", "{\"d\":[[4],{\"b\":3},2]}", true},
	{"{\"d\":[2,{\"exists\":false}],\"d.b\":[3]}", "{\"d\":[[4],{\"b\":3}]}", true},
	{"{\"d\":[2,{\"exists\":false}],\"d.b\":[3]}", "{\"d\":[5,{\"b\":3},{\"b\":4}]}", false},
	{"{\"resources\":[\"r2\"]}", "{\"resources\":[\"r1\",\"r2\",\"r3\"]}", true},
};

static const struct row dot_rows[] = {
	{"{\"detail\":{\"state\":{\"status\":[\"running\"]}}}", "{\"detail\":{\"state.status\":\"running\"}}", true}, /* recorded */
	{"{\"detail\":{\"state.status\":[\"running\"]}}", "{\"detail\":{\"state\":{\"status\":\"running\"}}}", true}, /* recorded */
	{"{\"a.b.c\":[1]}", "{\"a\":{\"b.c\":1}}", true},
	{"{\"a\":{\"b\":[1]}}", "{\"a..b\":1}", false},
	{"{\"a\":{\"\":{\"b\":[1]}}}", "{\"a..b\":1}", true},
	{"{\"a.\":[1]}", "{\"a\":{\"\":1}}", true},
	{"{\".\":[1]}", "{\".\":1}", true},
};

static const struct row or_rows[] = {
	{"{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"a\":1}", true},
	{"{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"b\":2}", true},
	{"{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"a\":2,\"b\":1}", false},
	{"{\"s\":[\"x\"],\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"a\":1,\"s\":\"y\"}", false},
	{"{\"s\":[\"x\"],\"$or\":[{\"a\":[1]},{\"b\":[2]}]}", "{\"b\":2,\"s\":\"x\"}", true},
	{"{\"d\":{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}}", "{\"d\":{\"b\":2}}", true},
	{"{\"d\":{\"$or\":[{\"a\":[1]},{\"b\":[2]}]}}", "{\"b\":2}", false},
	{"{\"$or\":[{\"a\":[1],\"c\":[1]},{\"b\":[2]}]}", "{\"a\":1}", false},
	{"{\"$or\":[{\"a\":[1],\"$or\":[{\"c\":[1]},{\"d\":[1]}]},{\"b\":[2]}]}", "{\"a\":1,\"d\":1}", true},
	{"{\"$or\":[{\"a\":[1],\"$or\":[{\"c\":[1]},{\"d\":[1]}]},{\"b\":[2]}]}", "{\"a\":1}", false},
	{"{\"$or\":[{\"a\":[1]},{\"b\":[1]}],\"x\":{\"$or\":[{\"c\":[1]},{\"d\":[1]}]}}", "{\"b\":1,\"x\":{\"c\":1}}", true},
	{"{\"$or\":[{\"a\":[1]},{\"b\":[1]}],\"x\":{\"$or\":[{\"c\":[1]},{\"d\":[1]}]}}", "{\"b\":1,\"c\":1}", false},
	{"{\"$or\":[{\"a\":[1]},{\"a\":[{\"exists\":false}]}]}", "{}", true},
	{"{\"a\":[1],\"$or\":[{\"a\":[2]},{\"b\":[3]}]}", "{\"a\":2}", true}, /* the later one counts in that branch */
	{"{\"a\":[1],\"$or\":[{\"a\":[2]},{\"b\":[3]}]}", "{\"a\":1}", false},
	{"{\"a\":[1],\"$or\":[{\"a\":[2]},{\"b\":[3]}]}", "{\"a\":1,\"b\":3}", true},
	{"{\"d\":{\"$or\":[{\"n\":[{\"numeric\":[\">\",0]}]},{\"n\":[{\"anything-but\":[1]}]}]}}", "{\"d\":{\"n\":\"x\"}}", true},
};

static const struct row address_rows[] = {
	{"{\"a\":[{\"cidr\":\"10.0.0.0/24\"}]}", "{\"a\":\"10.0.0.255\"}", true},
	{"{\"a\":[{\"cidr\":\"10.0.0.0/24\"}]}", "{\"a\":\"10.0.1.0\"}", false},
	{"{\"a\":[{\"cidr\":\"10.0.0.77/24\"}]}", "{\"a\":\"10.0.0.1\"}", true},
	{"{\"a\":[{\"cidr\":\"0.0.0.0/0\"}]}", "{\"a\":\"255.255.255.255\"}", true},
	{"{\"a\":[{\"cidr\":\"10.0.0.0/31\"}]}", "{\"a\":\"10.0.0.2\"}", false},
	{"{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":\"10.1.2\"}", false},
	{"{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":10}", false},
	{"{\"a\":[{\"cidr\":\"10.0.0.0/8\"}]}", "{\"a\":\"\\u0031\\u0030.1.2.3\"}", true},
	{"{\"a\":[{\"cidr\":\"2001:db8::/32\"}]}", "{\"a\":\"2001:0db8:1234::1\"}", true},
	{"{\"a\":[{\"cidr\":\"2001:db8::/32\"}]}", "{\"a\":\"2001:db9::1\"}", false},
	{"{\"a\":[{\"cidr\":\"2001:db8::/32\"}]}", "{\"a\":\"10.0.0.1\"}", false},
	{"{\"a\":[\"::1\"]}", "{\"a\":\"0:0:0:0:0:0:0:1\"}", true},
	{"{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"10.0.0.1\"}", true},
	{"{\"a\":[\"10.0.0.300\"]}", "{\"a\":\"10.0.0.300\"}", true},
	{"{\"a\":[\"10.0.0.1\"]}", "{\"a\":\"10.0.0.11\"}", false},
};

static const struct row broken_rows[] = {
	{"{\"a\":[1]}", "", false},
	{"{\"a\":[1]}", "[1]", false},
	{"{\"a\":[1]}", "{\"a\":1", false},
	{"{\"a\":[1]}", "{\"a\"", false},
	{"{\"a\":[1]}", "{\"a\\", false},
	{"{\"a\":[1]}", "{\"b\":[[{\"a\":1}", false},
	{"{\"a\":[{\"exists\":false}]}", "{\"b\":\"x", false},
	{"{\"a\":[{\"exists\":false}]}", "{b}", false},
};

static int check_rows(const struct row *rows, size_t n)
{
	int bad = 0;
	for (size_t i = 0; i < n; i++) {
		struct error err = {0};
		struct match *m = match_compile(str_from(rows[i].pattern), MATCH_EVENT, &err);
		/* A copy of exact size, so that a sanitizer sees a read past the end. */
		size_t length = strlen(rows[i].event);
		char *event = malloc(length ? length : 1);
		ASSERT(event);
		memcpy(event, rows[i].event, length);
		if (!m || match_event(m, (struct str){event, length}) != rows[i].holds) {
			printf("%s on %s: %s\n", rows[i].pattern, rows[i].event, m ? "the other answer" : err.msg);
			bad++;
		}
		free(event);
		match_free(m);
	}
	return bad;
}

#define ROWS_TEST(name) \
	TEST(name) { CHECK_INT(check_rows(name##_rows, ARRAY_LEN(name##_rows)), 0); }
ROWS_TEST(exact)
ROWS_TEST(number)
ROWS_TEST(text)
ROWS_TEST(but)
ROWS_TEST(exists)
ROWS_TEST(array)
ROWS_TEST(dot)
ROWS_TEST(or)
ROWS_TEST(address)
ROWS_TEST(broken)

#define AT(pattern, column) "\n at [Source: (String)\"" pattern "\"; line: 1, column: " #column "]"
#define REFUSED(pattern, text, column) {pattern, text AT(pattern, column)}

static const struct {
	const char *pattern, *text;
} refused_rows[] = {
	/* recorded */
	REFUSED("{\"int\": 42}", "\"int\" must be an object or an array", 11),
	REFUSED("{\"string\": \"my-value\"}", "\"string\" must be an object or an array", 13),
	REFUSED("{\"resources\": []}", "Empty arrays are not allowed", 17),
	REFUSED("{\"detail\": {\"equal\": [{\"NUMERIC\": [\"=\", 5]}]}}", "Unrecognized match type NUMERIC", 36),
	REFUSED("{\"my_key\": [{\"EXISTS\": true}]}", "Unrecognized match type EXISTS", 28),
	REFUSED("{\"detail\": {\"c-count\": [{\"numeric\": [\">\", 0, \">\", 0]}]}}", "Bad numeric range operator: >", 49),
	REFUSED("{\"detail\": {\"c-count\": [{\"numeric\": [\">\", 0, \"<\"]}]}}", "Value of < must be numeric", 50),
	REFUSED("{\"b\": [{\"wildcard\": \"arn:aws:events:us-east-1:**:event-bus/*\"}]}", "Consecutive wildcard characters at pos 26", 62),
	REFUSED("{\"detail-type\": [{\"equals-ignore-case\": [\"ec2 instance state-change notification\"]}]}",
	        "equals-ignore-case match pattern must be a string", 42),
	REFUSED("{\"detail-type\": [{\"equals-ignore-case\": {\"prefix\": \"ec2\"}}]}", "equals-ignore-case match pattern must be a string", 42),
	{"{\"i\": [{\"cidr\": \"10.0.0.0\"}]}", "Malformed CIDR, one '/' required"},
	{"{\"i\": [{\"cidr\": \"bad-/64filter\"}]}", "Malformed CIDR, mask bits must be an integer"},
	{"{\"i\": [{\"cidr\": \"xx.11.xx/8\"}]}", "Nonstandard IP address: xx.11.xx"},
	{"{\"i\": [{\"cidr\": \"xxxx:db8:1234:1a00::/64\"}]}", "Nonstandard IP address: xxxx:db8:1234:1a00::"},
	REFUSED("{\"detail\": {\"sourceIPAddress\": [{\"cidr\": [\"bad-type\"]}]}}", "prefix match pattern must be a string", 43),
	REFUSED("{\"detail\": {\"state\": [{\"anything-but\": {\"equals-ignore-case\": 123}}]}}",
	        "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.", 66),
	REFUSED("{\"EventBusArn\": [{\"wildcard\": 123}]}", "wildcard match pattern must be a string", 34),
	REFUSED("{\"EventBusArn\": [{\"wildcard\": [\"arn\"]}]}", "wildcard match pattern must be a string", 32),
	REFUSED("{\"detail\": {\"FilePath\": [{\"anything-but\": {\"wildcard\": 123}}]}}", "wildcard match pattern must be a string", 59),
	{"{\"detail\": {\"state\": [{\"anything-but\": {\"wildcard\": [123, \"*/dir/*\"]}}]}}",
	 "wildcard match pattern must be a string" AT("{\"detail\": {\"state\": [{\"anything-but\": {\"wildcard\": [123, \"*/dir/*\"]}}]}}", 57) "\n"},
	REFUSED("{\"detail\": {\"FileName\": [{\"anything-but\": {\"suffix\": 123}}]}}", "prefix/suffix match pattern must be a string", 57),
	REFUSED("{\"detail\": {\"state\": [{\"anything-but\": {\"prefix\": 123}}]}}", "prefix/suffix match pattern must be a string", 54),
	REFUSED("{\"time\": [{\"prefix\": [\"2022-07-13\"]}]}", "prefix match pattern must be a string", 23),
	REFUSED("{\"time\": [{\"prefix\": 123}]}", "prefix match pattern must be a string", 25),
	REFUSED("{\"FileName\": [{\"suffix\": 123}]}", "suffix match pattern must be a string", 29),
	REFUSED("{\"FileName\": [{\"suffix\": [\".png\"]}]}", "suffix match pattern must be a string", 27),
	REFUSED("{\"detail\": {\"FileName\": [{\"anything-but\": {\"prefix\": {\"equals-ignore-case\": \"file\"}}}]}}",
	        "Value of anything-but must be an array or single string/number value.", 55),
	{"{\"EventBusArn\": [{\"wildcard\": \"*:*:*:*:*:event-bus/*\"}]}",
	 "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character"},
	REFUSED("this is valid json but not a dict",
	        "Unrecognized token 'this': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", 5),
	REFUSED("{'bad': 'quotation'}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name", 2),
	REFUSED("{\"not\": closed mark\"",
	        "Unrecognized token 'closed': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", 15),
	REFUSED("[\"not\", \"a\", \"dict\", \"but valid json\"]", "Filter is not an object", 2),
	REFUSED("{\"a\":[{\"exists\":\"true\"}]}", "exists match pattern must be either true or false.", 18),
	/* by the same rules */
	REFUSED("{}", "Empty objects are not allowed", 3),
	REFUSED("{\"a\":{}}", "Empty objects are not allowed", 8),
	REFUSED("{\"a\":null}", "\"a\" must be an object or an array", 10),
	REFUSED("{\"a\":[[1]]}", "Match value must be String, number, true, false, or null", 8),
	REFUSED("{\"a\":[{}]}", "Match expression name not found", 9),
	REFUSED("{\"a\":[{\"prefix\":\"x\",\"suffix\":\"y\"}]}", "Only one key allowed in match expression", 31),
	REFUSED("{\"a\":[{\"prefix\":{\"x\":\"y\"}}]}", "Unsupported prefix pattern: x", 23),
	REFUSED("{\"a\":[{\"prefix\":{}}]}", "Prefix expression name not found", 19),
	REFUSED("{\"a\":[{\"anything-but\":{\"exactly\":\"y\"}}]}", "Unsupported anything-but pattern: exactly", 35),
	REFUSED("{\"a\":[{\"anything-but\":null}]}", "Value of anything-but must be an array or single string/number value.", 27),
	REFUSED("{\"a\":[{\"anything-but\":[]}]}",
	        "Inside anything but list, either all values are number or string, mixed type is not supported", 25),
	REFUSED("{\"a\":[{\"anything-but\":[1,\"x\"]}]}",
	        "Inside anything but list, either all values are number or string, mixed type is not supported", 30),
	REFUSED("{\"a\":[{\"numeric\":5}]}", "Value of numeric must be an array.", 19),
	REFUSED("{\"a\":[{\"numeric\":[]}]}", "Invalid member in numeric match: ]", 20),
	REFUSED("{\"a\":[{\"numeric\":[5]}]}", "Invalid member in numeric match: 5", 20),
	REFUSED("{\"a\":[{\"numeric\":[\"!\",5]}]}", "Unrecognized numeric range operator: !", 24),
	REFUSED("{\"a\":[{\"numeric\":[\"=\",\"5\"]}]}", "Value of equals must be numeric", 24),
	REFUSED("{\"a\":[{\"numeric\":[\"<\",5,\">\",1]}]}", "Too many elements in numeric expression", 26),
	REFUSED("{\"a\":[{\"numeric\":[\">\",5,\"<\",1]}]}", "Bottom must be less than top", 31),
	REFUSED("{\"a\":[{\"numeric\":[\">\",5,\"<\",7,8]}]}", "Too many terms in numeric range expression", 32),
	REFUSED("{\"a\":[{\"numeric\":[\">\",6e9]}]}", "Value must be between -5.0E9 and 5.0E9, inclusive", 26),
	{"{\"a\":[{\"anything-but\":6e9}]}", "Value must be between -5.0E9 and 5.0E9, inclusive"},
	{"{\"a\":[{\"cidr\":\"10.0.0.0/32\"}]}", "IPv4 mask bits must be < 32"},
	{"{\"a\":[{\"cidr\":\"::/128\"}]}", "IPv6 mask bits must be < 128"},
	REFUSED("{\"a\":[{\"wildcard\":\"a\\\\b\"}]}", "Invalid escape character at pos 2", 25),
	REFUSED("{\"a\":[{\"wildcard\":\"a\\\\\"}]}", "Invalid escape character at pos 2", 24),
	REFUSED("{\"$or\":1}", "It must be an Array followed with $or.", 9),
	REFUSED("{\"$or\":[{\"a\":[1]}]}", "There must have at least 2 Objects in $or relationship.", 19),
	REFUSED("{\"$or\":[1,2]}", "Only JSON object is allowed in array of $or relationship.", 10),
	REFUSED("{\"$or\":[{\"numeric\":[1]},{\"a\":[1]}]}", "numeric is Ruler reserved fieldName which cannot be used inside $or.", 21),
};

TEST(refused_in_these_words)
{
	for (size_t i = 0; i < ARRAY_LEN(refused_rows); i++) {
		struct error err = {0};
		struct match *m = match_compile(str_from(refused_rows[i].pattern), MATCH_EVENT, &err);
		const char *want = refused_rows[i].text;
		size_t n = strlen(want);
		bool twice = want[n - 1] == '\n'; /* only the beginning is given */
		if (m || err.code != ERR_INVALID || (twice ? strncmp(err.msg, want, n) : strcmp(err.msg, want)) != 0) {
			printf("%s: \"%s\"\nnot \"%s\"\n", refused_rows[i].pattern, m ? "taken" : err.msg, want);
			*failed_ = 1;
		}
		match_free(m);
		struct error filter = {0};
		CHECK(!match_compile(str_from(refused_rows[i].pattern), MATCH_FILTER, &filter));
		CHECK_STR(filter.msg, "Invalid filter pattern definition.");
	}
}

TEST(places_count_lines_and_characters)
{
	struct error err = {0};
	CHECK(!match_compile(STR("{\n \"\xC3\xA9\": 1}"), MATCH_EVENT, &err));
	CHECK_STR(err.msg, "\"\xC3\xA9\" must be an object or an array\n at [Source: (String)\"{\n \"\xC3\xA9\": 1}\"; line: 2, column: 8]");
}

TEST(long_patterns_are_cut_in_refusals)
{
	char pattern[600];
	struct error err = {0};
	snprintf(pattern, sizeof pattern, "{\"a\":[\"%0400d\"],\"b\":1}", 7);
	CHECK(!match_compile(str_from(pattern), MATCH_EVENT, &err));
	CHECK(strncmp(err.msg, "\"b\" must be an object or an array\n at [Source: (String)\"{\"a\":[\"000", 60) == 0);
	CHECK(strstr(err.msg, "\"[truncated ") && strstr(err.msg, " chars]; line: 1, column: 416]"));
}

TEST(limits)
{
	struct error err = {0};
	CLEANUP_FREE char *big = malloc(MATCH_PATTERN_MAX + 2);
	CHECK(big);
	memset(big, ' ', MATCH_PATTERN_MAX + 1);
	memcpy(big, "{\"a\":[1]}", 9);
	struct match *m = match_compile((struct str){big, MATCH_PATTERN_MAX}, MATCH_EVENT, &err);
	CHECK(m);
	match_free(m);
	CHECK(!match_compile((struct str){big, MATCH_PATTERN_MAX + 1}, MATCH_EVENT, &err));
	CHECK_INT(err.code, ERR_INVALID);
	/* 4^5 = 1024 combinations, 4^4 are fine */
	char text[1024] = "{";
	for (int i = 0; i < 5; i++) {
		if (i == 4) {
			char four[sizeof text + 16];
			snprintf(four, sizeof four, "%s\"z\":[1]}", text);
			m = match_compile(str_from(four), MATCH_EVENT, &err);
			CHECK(m);
			CHECK(match_event(m, STR("{\"z\":1,\"b0\":1,\"c1\":1,\"d2\":1,\"a3\":1}")));
			CHECK(!match_event(m, STR("{\"z\":1,\"b0\":1,\"c1\":1,\"d2\":1}")));
			match_free(m);
		}
		size_t n = strlen(text);
		snprintf(text + n, sizeof text - n, "\"$or\":[{\"a%d\":[1]},{\"b%d\":[1]},{\"c%d\":[1]},{\"d%d\":[1]}]%s", i, i, i, i, i == 4 ? "}" : ",");
	}
	CHECK(!match_compile(str_from(text), MATCH_EVENT, &err));
	CHECK(strstr(err.msg, "1000 combinations"));
}

static struct match *many_leaves(unsigned n, struct error *err)
{
	char text[MATCH_PATTERN_MAX + 1] = "{";
	size_t at = 1;
	for (unsigned i = 0; i < n; i++) /* the same name: as many arrays as there may be in this size */
		at += (size_t)snprintf(text + at, sizeof text - at, "\"\":[%u]%s", i % 10, i + 1 < n ? "," : "}");
	return match_compile((struct str){text, at}, MATCH_EVENT, err);
}

TEST(many_fields)
{
	struct error err = {0};
	struct match *m = many_leaves(MATCH_LEAVES_MAX, &err);
	CHECK(m);
	CHECK(match_event(m, STR("{\"\":1}"))); /* 511 % 10: the last one counts */
	CHECK(!match_event(m, STR("{\"\":2}")));
	match_free(m);
	CHECK(!many_leaves(MATCH_LEAVES_MAX + 1, &err));
	CHECK(strstr(err.msg, "more than 512 fields"));
}

TEST(deep_patterns_and_events)
{
	struct error err = {0};
	char text[2048] = "", event[8192] = "";
	for (unsigned i = 0; i <= MATCH_DEPTH_MAX; i++)
		strcat(text, "{\"a\":");
	CHECK(!match_compile(str_from(strcat(text, "[1]")), MATCH_EVENT, &err)); /* not even JSON */
	for (unsigned i = 0; i <= MATCH_DEPTH_MAX; i++)
		strcat(text, "}");
	CHECK(!match_compile(str_from(text), MATCH_EVENT, &err));
	CHECK(strstr(err.msg, "nested more than"));
	struct match *m = match_compile(STR("{\"a\":[1],\"b\":{\"c\":[2]}}"), MATCH_EVENT, &err);
	CHECK(m);
	strcat(event, "{\"b\":{\"c\":2},\"a\":");
	for (int i = 0; i < 1500; i++)
		strcat(event, "[");
	CHECK(!match_event(m, str_from(event)));
	match_free(m);
}

TEST(members_instead_of_a_whole_event)
{
	struct error err = {0};
	struct match *m = match_compile(STR("{\"body\":{\"k\":[\"v\"]},\"n\":[{\"exists\":false}]}"), MATCH_FILTER, &err);
	CHECK(m);
	struct match_member members[] = {{"body", STR("{\"k\":\"v\"}")}, {"other", STR("[1,2")}};
	CHECK(match_members(m, members, 2));
	members[0].json = STR("\"v\"");
	CHECK(!match_members(m, members, 2));
	members[0].json = STR("[{\"k\":\"w\"},{\"k\":\"v\"}]");
	CHECK(match_members(m, members, 2));
	members[1] = (struct match_member){"n", STR("1")};
	CHECK(!match_members(m, members, 2));
	match_free(m);
}

TEST(wildcards_that_cost_little_are_taken)
{
	static const char *const good[] = {
		"{\"a\":[{\"wildcard\":\"*\"}]}", "{\"a\":[{\"wildcard\":\"arn:aws:events:us-east-1:*:event-bus/*\"}]}",
		"{\"a\":[{\"wildcard\":\"a*b*c*d\"}]}", "{\"a\":[{\"wildcard\":\"/usr/*/lib/*/x*.so\"}]}",
		"{\"a\":[{\"wildcard\":\"a*\"},{\"wildcard\":\"b*\"},{\"wildcard\":\"c*\"}]}",
	};
	static const char *const bad[] = {
		"{\"a\":[{\"wildcard\":\"*aaaaaaaaaaaaaaaaaaaaaaaaab\"}]}",
		"{\"a\":[{\"anything-but\":{\"wildcard\":\"*a*a*a*a*a*a*a*a*a*\"}}]}",
		"{\"a\":[{\"anything-but\":{\"wildcard\":[\"a*\",\"b*\",\"c*\",\"d*\",\"e*\",\"f*\",\"g*\",\"h*\",\"i*\",\"j*\",\"k*\"]}}]}",
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct error err = {0};
		struct match *m = match_compile(str_from(good[i]), MATCH_EVENT, &err);
		if (!m)
			printf("%s: %s\n", good[i], err.msg);
		CHECK(m);
		match_free(m);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct error err = {0};
		CHECK(!match_compile(str_from(bad[i]), MATCH_EVENT, &err));
		CHECK(strncmp(err.msg, "Rule is too complex", 19) == 0);
	}
}

/* Plain values are looked up in an order of their own; what stands among them is asked all the same. */
TEST(leaves_of_many_values)
{
	char pattern[4096], event[64];
	struct error err = {0};
	size_t n = (size_t)snprintf(pattern, sizeof pattern, "{\"a\":[{\"prefix\":\"zz\"},12345678901,");
	for (unsigned i = 0; i < 200; i++) {
		unsigned v = i * 37 % 200 * 2; /* even ones, in no order */
		n += (size_t)snprintf(pattern + n, sizeof pattern - n, "%u,\"t%u\",", v, v);
	}
	snprintf(pattern + n, sizeof pattern - n, "\"\",{\"numeric\":[\">\",1000]},null]}");
	struct match *m = match_compile(str_from(pattern), MATCH_EVENT, &err);
	CHECK(m);
	for (unsigned v = 0; v < 402; v++) {
		static const char *const forms[] = {"{\"a\":%u}", "{\"a\":%u.0}", "{\"a\":\"t%u\"}", "{\"a\":\"\\u0074%u\"}"};
		for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
			snprintf(event, sizeof event, forms[i], v);
			CHECK(match_event(m, str_from(event)) == (v % 2 == 0 && v < 400));
		}
		snprintf(event, sizeof event, "{\"a\":\"%u\"}", v);
		CHECK(!match_event(m, str_from(event)));
	}
	static const char *const others[] = {"{\"a\":\"zzz\"}", "{\"a\":1001}", "{\"a\":null}", "{\"a\":\"\"}", "{\"a\":12345678901}"};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		CHECK(match_event(m, str_from(others[i])));
	CHECK(!match_event(m, STR("{\"a\":12345678902}")) && !match_event(m, STR("{\"a\":true}")) && !match_event(m, STR("{\"a\":-2}")));
	match_free(m);
}

/* A list in anything-but is asked for each value: 300 texts, 10,000 values. */
TEST(work_is_bounded)
{
	struct error err = {0};
	char pattern[4096] = "{\"a\":[{\"anything-but\":{\"prefix\":[\"z\"";
	static char event[200000] = "{\"a\":[\"z\"";
	size_t n = strlen(pattern);
	for (unsigned i = 0; i < 300; i++)
		n += (size_t)snprintf(pattern + n, sizeof pattern - n, ",\"z%u\"", i);
	strcpy(pattern + n, "]}}]}");
	n = strlen(event);
	for (unsigned i = 0; i < 10000; i++)
		n += (size_t)snprintf(event + n, sizeof event - n, ",\"zz%u\"", i);
	strcpy(event + n, ",\"b\"]}");
	struct match *m = match_compile(str_from(pattern), MATCH_EVENT, &err);
	CHECK(m);
	uint64_t work = UINT64_MAX, needed, less;
	CHECK(match_event_within(m, str_from(event), &work));
	needed = UINT64_MAX - work;
	CHECK(needed > 300 * 10000 && needed < 300 * 10000 * 100ull);
	less = needed;
	CHECK(!match_event_within(m, str_from(event), &less));
	CHECK_INT(less, 0);
	less = needed + 1;
	CHECK(match_event_within(m, str_from(event), &less));
	CHECK_INT(less, 1);
	match_free(m);
}

TESTS(T(exact), T(number), T(text), T(but), T(exists), T(array), T(dot), T(or), T(address), T(broken), T(refused_in_these_words),
      T(places_count_lines_and_characters), T(long_patterns_are_cut_in_refusals), T(limits), T(many_fields), T(deep_patterns_and_events),
      T(members_instead_of_a_whole_event), T(wildcards_that_cost_little_are_taken), T(leaves_of_many_values), T(work_is_bounded))
