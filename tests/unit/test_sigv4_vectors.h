/* Made by test_sigv4_vectors.py with botocore 1.43.11: do not edit. */
#define VECTOR_KEY "AKIDEXAMPLE"
#define VECTOR_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define VECTOR_TOKEN "FwoGZXIvYXdzEXAMPLE//token+with=signs=="
#define VECTOR_NOW 1769862896

static const struct vector {
	const char *name, *service, *method, *path, *query, *headers, *body;
	size_t body_len;
} vectors[] = {
	{"list", "lambda", "GET",
	 "/2015-03-31/functions",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=1ee4c8d7937657c7d17ef36ec41c5c1c02e5ec95a673a648b19c1dfaf3637411\n",
	 "", 0},
	{"list with marker", "lambda", "GET",
	 "/2015-03-31/functions",
	 "Marker=a%2Bb%2Fc%3Dd%20e~%2A%27%28%29&MaxItems=10",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=09059056022058beb721a0239917084259c538ae8cd382513c9ed743bd713058\n",
	 "", 0},
	{"get", "lambda", "GET",
	 "/2015-03-31/functions/f",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=b75639c6494fb2a05aa3b54ccfd1aea22f8ac89170347cde69e4a97a6e7fe5d0\n",
	 "", 0},
	{"get by name and qualifier", "lambda", "GET",
	 "/2015-03-31/functions/f",
	 "Qualifier=%24LATEST",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=4ab0ff11aabfd691836cc446cb06b1746bc237fc8f78525e50323da4e8054068\n",
	 "", 0},
	{"get by arn", "lambda", "GET",
	 "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=5be32b99d58ef708751b0057463f2435cf8916c246fbc10dfdf3a7862223ff6d\n",
	 "", 0},
	{"get by arn with alias", "lambda", "GET",
	 "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af%3Aalias",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=ba0be899cc472923d313bb50085d66d0abd67c3c7523e63863d0a42d8a0bd36d\n",
	 "", 0},
	{"get by arn with $LATEST", "lambda", "GET",
	 "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af%3A%24LATEST",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=ae9e189d3afaba057aeb7b983eeb09a2ca97e354473d79b57f0423dc69ade8f6\n",
	 "", 0},
	{"get by name with alias", "lambda", "GET",
	 "/2015-03-31/functions/f%3Aalias",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=54ff33cf67315bbce432a71975aa54a76ee8deeff943b041cb3bc52b69eafd34\n",
	 "", 0},
	{"invoke", "lambda", "POST",
	 "/2015-03-31/functions/f/invocations",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=afa1df9f54ffb6bc5cc81db07b8bb59b7071007d81e7ba1023b3f7f2959bb62d\n"
	 "Content-Length:7\n",
	 "{\"n\":1}", 7},
	{"invoke empty", "lambda", "POST",
	 "/2015-03-31/functions/f/invocations",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=6f54a2a08c6f66db541432105d4377212475ef3e55af58831903985495c0b2f6\n"
	 "Content-Length:0\n",
	 "", 0},
	{"invoke by partial arn", "lambda", "POST",
	 "/2015-03-31/functions/000000000000%3Afunction%3Af/invocations",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=954f36ce93ed83b130b1f3a6e373fa10c7b948f84e8220d372f46e5d37cd0480\n"
	 "Content-Length:2\n",
	 "{}", 2},
	{"invoke by arn and qualifier", "lambda", "POST",
	 "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations",
	 "Qualifier=7",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Invocation-Type:Event\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;x-amz-invocation-type, Signature=6102f934c83d4d7a59f98a638e21a80b1cdc8f98ee890fac48532ebfa2e449eb\n"
	 "Content-Length:7\n",
	 "[1,2,3]", 7},
	{"invoke with tail and context", "lambda", "POST",
	 "/2015-03-31/functions/f/invocations",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Log-Type:Tail\n"
	 "X-Amz-Client-Context:e30=\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-client-context;x-amz-date;x-amz-log-type, Signature=511e523fcd61491e66bb3267ece36a66abd9cb16029b72a5be3bfed26ccbbe7f\n"
	 "Content-Length:4\n",
	 "null", 4},
	{"invoke with session token", "lambda", "POST",
	 "/2015-03-31/functions/f/invocations",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "X-Amz-Security-Token:FwoGZXIvYXdzEXAMPLE//token+with=signs==\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=b951807b16341dec23fad91846f88915caa5222a72ecd9dc1e19be62c3028aab\n"
	 "Content-Length:2\n",
	 "{}", 2},
	{"create", "lambda", "POST",
	 "/2015-03-31/functions",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "Content-Type:application/json\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=740fb2b989cebd8ce2108680d97e780c20d95f5d44ab8ed79da1a9628f55cea2\n"
	 "Content-Length:165\n",
	 "{\"FunctionName\": \"f\", \"Runtime\": \"python3.11\", \"Handler\": \"a.b\", \"Role\": \"arn:aws:iam::000000000000:role/r\", \"Code\": {\"ZipFile\": \"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==\"}}", 165},
	{"delete", "lambda", "DELETE",
	 "/2015-03-31/functions/f",
	 "Qualifier=1",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=c522112e66ddfda9635e6ad5d2aa2b6ed8d74fb12477532b587489859aa1d165\n"
	 "Content-Length:0\n",
	 "", 0},
	{"tag", "lambda", "POST",
	 "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "Content-Type:application/json\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=72c5b1230b824d15bf15544f0c8df17a4a2c97a0317563bd19963d0d2bc0afc6\n"
	 "Content-Length:25\n",
	 "{\"Tags\": {\"k\": \"\\u00e9\"}}", 25},
	{"untag", "lambda", "DELETE",
	 "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
	 "tagKeys=b&tagKeys=a&tagKeys=a%20b&tagKeys=%C3%A9&tagKeys=aws%3Ax",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=070ace7527336c63b46851a32a9f706c662c85b3035418650357d73ccfc0c7b0\n"
	 "Content-Length:0\n",
	 "", 0},
	{"stream", "lambda", "POST",
	 "/2021-11-15/functions/f/response-streaming-invocations",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=64ef57a95c4165dee77a2dce59baf78d540b2f93a58d929d6e2946e58b6438b7\n"
	 "Content-Length:2\n",
	 "{}", 2},
	{"identity", "sts", "POST",
	 "/",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "Content-Type:application/x-www-form-urlencoded; charset=utf-8\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=151e990dde9a1dfa4add0e86e2e5355dd0a606e39d3ec7557260197258f36ced\n"
	 "Content-Length:43\n",
	 "Action=GetCallerIdentity&Version=2011-06-15", 43},
	{"logs", "logs", "POST",
	 "/",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Target:Logs_20140328.DescribeLogStreams\n"
	 "Content-Type:application/x-amz-json-1.1\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/logs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=46919f1472a3ff4b7f2dcd79becb58f61da3ef64ce6f574b1329feab2bbe4949\n"
	 "Content-Length:33\n",
	 "{\"logGroupName\": \"/aws/lambda/f\"}", 33},
	{"put object", "s3", "PUT",
	 "/b/a%20b/c%3Ad%2Be/%C3%A9//x",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "Expect:100-continue\n"
	 "x-amz-checksum-crc32:NhCmhg==\n"
	 "x-amz-sdk-checksum-algorithm:CRC32\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "X-Amz-Content-SHA256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-crc32;x-amz-content-sha256;x-amz-date;x-amz-sdk-checksum-algorithm, Signature=8fa8d1c1389e35a96895b2d892bb911c0f783af3ad4299d5a1a113f3cdd3f4bc\n"
	 "Content-Length:5\n",
	 "hello", 5},
	{"get object", "s3", "GET",
	 "/b/./odd/../key",
	 "versionId=1",
	 "Host:127.0.0.1:4566\n"
	 "x-amz-checksum-mode:ENABLED\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "X-Amz-Content-SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature=71fc455754617d41f8959454fc98f290472d48a4916488fd2a12efa1f14b427b\n",
	 "", 0},
	{"presigned get", "lambda", "GET",
	 "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af%3Aalias",
	 "Qualifier=2&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260131T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=f79694c6ffafff20b936f8adfff0b2ec3fc51940652c73d83ef17845c4ff6ffe",
	 "Host:127.0.0.1:4566\n",
	 "", 0},
	{"presigned list", "lambda", "GET",
	 "/2015-03-31/functions",
	 "Marker=a%20b&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260131T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=108ada53ebaf1f04334d421e614d4e1cc7c2d071f4bdf5929441ce77aabf8502",
	 "Host:127.0.0.1:4566\n",
	 "", 0},
	{"presigned with token", "lambda", "GET",
	 "/2015-03-31/functions/f",
	 "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260131T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2F%2Ftoken%2Bwith%3Dsigns%3D%3D&X-Amz-Signature=a3abfdcf4d6dbbd1f6e694cd56f975a70611c806b5ffcdbdd56f8610352727ef",
	 "Host:127.0.0.1:4566\n",
	 "", 0},
	{"presigned short", "lambda", "GET",
	 "/2015-03-31/functions/f",
	 "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Fus-east-1%2Flambda%2Faws4_request&X-Amz-Date=20260131T123456Z&X-Amz-Expires=61&X-Amz-SignedHeaders=host&X-Amz-Signature=1a3ea5e364ac0a2ea685fef55cfedd025863251c6b3423e53fbb00dda28243e7",
	 "Host:127.0.0.1:4566\n",
	 "", 0},
	{"presigned identity", "sts", "POST",
	 "/",
	 "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20260131T123456Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=26be810d5f362a8b09a3daac5f414f8aee8ae516066fc8d84c5de7e364258f96",
	 "Host:127.0.0.1:4566\n",
	 "", 0},
	{"presigned object", "s3", "GET",
	 "/b/a%20b/c",
	 "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260131%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260131T123456Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=d9be7718e19a74b6dff1bef40479d03fd84ce1a708b9a4ad0c5d17b326f3be04",
	 "Host:127.0.0.1:4566\n",
	 "", 0},
	{"spaces in values", "lambda", "GET",
	 "/x",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "My-Header:  a   b \011 c  \n"
	 "Empty:\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=empty;host;my-header;x-amz-date, Signature=7b6a063e2af24ee13a1e04374a4c3d71cfd677c5b4fed6d7742019e83af34344\n",
	 "", 0},
	{"date header", "lambda", "GET",
	 "/x",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "Date:Sat, 31 Jan 2026 12:34:56 -0000\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=date;host, Signature=fb4a2fc8993ef0e73a3ecc4b323e4313ca7b7b5842ef5020fb50709205cd48d6\n",
	 "", 0},
	{"dots and slashes", "lambda", "GET",
	 "/a//b/./c/../d/",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=4901d7872a8f6d361366c64d66c2e6b50d27eb64deee443dd7e84f62cbccba4e\n",
	 "", 0},
	{"repeated parameters", "lambda", "GET",
	 "/",
	 "b=2&a=2&a=1&c&=&a=",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=1390967187630dd86657c2eb349aeef3260246c63b2bcd3d0415cfad05d8568a\n",
	 "", 0},
	{"encoded parameters", "lambda", "POST",
	 "/p%2Fq/%25/~",
	 "k%3D=v%26&%C3%A9=%E2%82%AC",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Target:T\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=4516cab81ba90d33667a28f4550c0d1268000e453abc6b8beabc92e81433b3a1\n",
	 "body", 4},
	{"no path", "lambda", "GET",
	 "/",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=913788e05dfcf9179e3a0e7900d62795ef4fe4e51279e927c4bdebd75d169ac0\n",
	 "", 0},
	{"non-ascii header", "lambda", "GET",
	 "/",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Meta:caf\303\251\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;x-amz-meta, Signature=a39b43c99da8294009fa79b0b9e49aaab206710c6b7954f28b3b7f975af9be09\n",
	 "", 0},
	{"unsigned payload", "lambda", "PUT",
	 "/u",
	 "",
	 "Host:127.0.0.1:4566\n"
	 "X-Amz-Content-SHA256:UNSIGNED-PAYLOAD\n"
	 "X-Amz-Date:20260131T123456Z\n"
	 "Authorization:AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260131/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=68fefaaa39570a27fdc0083f0e751d8deb2b9c76b206459375f800d148e385c7\n",
	 "anything", 8},
};
