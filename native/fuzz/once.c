/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a harness over the files named, once each, with any compiler: the corpus as a plain test, and
 * a finding again under a debugger. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0, more;

    if (!file) {
        perror(path);
        return -1;
    }
    do {
        bytes = realloc(bytes, size + 65536);
        more = bytes ? fread(bytes + size, 1, 65536, file) : 0;
        size += more;
    } while (more);
    fclose(file);
    fprintf(stderr, "%s: %zu bytes\n", path, size);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (run(argv[i]))
            return 1;
    return 0;
}
