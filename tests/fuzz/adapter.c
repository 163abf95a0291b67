/* Adapters, LoRA and prefixes: a GGUF file (what begins like one), or a PEFT folder. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "model/adapter.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "adapter_config.json",
		"adapter_model.safetensors", NULL };
	bool gguf = size >= 4 && !memcmp(data, "GGUF", 4);
	const struct model *base = fuzz_model();
	const char *path = gguf ? fuzz_file("input.gguf", data, size)
				: fuzz_folder(names, data, size);
	struct adapter *a;
	struct model m = *base;
	struct layer layer = *m.layers;
	struct err e;

	if (!(a = adapter_open(path, base, &e))) {
		fuzz_refused(&e, gguf ? "input.gguf" : "/in");
		return 0;
	}
	/* The small model stays as it is: its copy takes the adapter. */
	m.layers = &layer;
	m.adapters = NULL;
	adapter_attach(a, &m, 0.5f);
	fuzz_use_model(&m);
	adapter_free(a);
	return 0;
}
