/* Whatever holds a model, opened as if it were a GGUF file: a GGUF file (single or split), or
 * a Hugging Face folder (config.json, safetensors, tokenizer files), whose keys, tensor names, norm
 * offsets and rotary order are turned into GGUF's. Every program opens models here, so that -m
 * takes them all. */
#ifndef MODEL_SOURCE_H
#define MODEL_SOURCE_H

#include "model/gguf.h"

struct gguf *source_open(const char *path, struct err *e);
/* The tokenizer alone of what source_open takes, or of a folder or file that has no more than a
 * vocabulary (text/vocab_file.h). The vocabulary's size is checked against nothing. */
struct tokenizer *source_tokenizer(const char *path, struct err *e);

#endif
