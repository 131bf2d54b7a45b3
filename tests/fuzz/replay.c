/* Runs a fuzz target over every file of the folders that are given: replay_http corpus/http. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX_BYTES (1u << 20)

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	unsigned char *data = malloc(INPUT_MAX_BYTES);
	size_t n = data ? fread(data, 1, INPUT_MAX_BYTES, f) : 0;
	fclose(f);
	/* A block of exactly n bytes, so that a sanitizer sees a read past the end. */
	unsigned char *exact = malloc(n ? n : 1);
	if (!data || !exact)
		return -1;
	for (size_t i = 0; i < n; i++)
		exact[i] = data[i];
	free(data);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

static int replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	if (!dir) {
		perror(path);
		return -1;
	}
	int count = 0;
	struct dirent *entry;
	while (count >= 0 && (entry = readdir(dir))) {
		char file[4096];
		struct stat st;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
			count = replay_file(file) < 0 ? -1 : count + 1;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	int total = 0;
	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);
		if (n < 0)
			return 1;
		total += n;
	}
	printf("%d inputs\n", total);
	return total == 0; /* an empty corpus proves nothing */
}
