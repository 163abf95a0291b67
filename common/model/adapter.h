/* Adapters beside a model, of two kinds, in two forms each. LoRA (Hu et al. 2021):
 *
 *	GGUF LoRA file  general.type "adapter", adapter.type "lora"; NAME.weight.lora_a of dims
 *	                {K, r} and NAME.weight.lora_b of dims {r, N}; scale adapter.lora.alpha / r,
 *	                or 1 where alpha is 0. Of token_embd.weight a is {r, N} and b {r, K}, as
 *	                llama.cpp has it
 *	PEFT folder     adapter_config.json, adapter_model.safetensors; scale lora_alpha / r or,
 *	                with use_rslora, lora_alpha / sqrt(r)
 *
 * A prefix (Li and Liang 2021), struct prefix of model/model.h:
 *
 *	GGUF file       general.type "adapter", adapter.type "prefix"; tensor prefix of dims
 *	                {n_head_kv * head_dim, 2, n_layer, n}. Our own: llama.cpp has none such
 *	PEFT folder     peft_type PREFIX_TUNING; prompt_embeddings (n, 2 * n_layer * n_head_kv *
 *	                head_dim), in the same order: per virtual token a layer's keys, then its
 *	                values, head by head
 *
 * Names, the order of rotary and of fused rows and scales are turned into GGUF's when a folder is
 * read and back when one is written, by the tables of model/hf.h. What could not be done exactly
 * (DoRA, trained biases or whole modules, PiSSA's changed base) is refused.
 *
 * An adapter of the embedding leaves a head that is tied to it alone, as PEFT does. */
#ifndef MODEL_ADAPTER_H
#define MODEL_ADAPTER_H

#include "base/opt.h"
#include "model/model.h"

/* What it adds to a tensor of the model: alpha / rank times b·a. */
struct adapter_part {
	struct tensor_spec t;
	size_t rank;
	float *a; /* (rank, t.cols) */
	float *b; /* (t.rows, rank), in GGUF's order of rows */
};

struct adapter {
	struct adapter *next; /* of the model's */
	struct prefix prefix; /* n > 0: this, and no parts; x is owned */
	/* what trains the prefix, where that is not itself trained (train/prefix.h) */
	size_t mlp;           /* width; 0: nothing */
	float *mlp_weights;
	float alpha;          /* not 0; f32, as in files; the scale is alpha / rank */
	bool rslora;          /* in PEFT's files lora_alpha / sqrt(rank) instead (Kalajdzievski
	                       * 2023) */
	struct adapter_part *parts;
	size_t n;
	float scale;          /* once attached */
	struct lora *loras;   /* what is hung into weights */
};

/* Rows of a tool's table of options, for model_open_with: -a, and -m beside it. */
#define ADAPTER_OPT(adapters) \
	{ 'a', "adapter", OPT_LIST, &(adapters), "FILE[=SCALE]", \
		"adapter on the model: LoRA, times SCALE (1), or a prefix; may be repeated", 0, 0 }
#define MODEL_OPTS(model, adapters) \
	{ 'm', "model", OPT_TEXT, &(model), "MODEL", \
		"GGUF file or folder (default: SR_MODEL, else the installed one)", 0, 0 }, \
	ADAPTER_OPT(adapters)

/* Open a model with its adapters, as a tool's options name them: `model` may be NULL (model_find),
 * each adapter is FILE or FOLDER, perhaps followed by =SCALE. Several add up, the same one twice as
 * well; of prefixes there may be one, of scale 1 (or 0, which is none). */
struct model *model_open_with(const char *model, const struct opt_list *adapters, struct err *e);

/* A new adapter of that model, to be trained: a uniform within 1/sqrt(K), as PEFT draws it, b zero.
 * `targets`: "all-linear", every matrix within layers, or some of them, parted by commas, by GGUF's
 * names ("attn_q") or PEFT's ("q_proj"). Its scale is alpha / rank or, with rslora, alpha /
 * sqrt(rank). NULL with a message where a name fits nothing. */
struct adapter *adapter_make(const struct model *m, const char *targets, size_t rank, double alpha,
	bool rslora, uint64_t seed, struct err *e);

/* A new prefix of that model, to be trained: the keys and values that the tokens ids (n) have as
 * the beginning of a sequence, with which it does what that beginning does. `threads`: as pool_new
 * takes them. */
struct adapter *adapter_make_prefix(const struct model *m, const int *ids, size_t n, int threads,
	struct err *e);

/* Read an adapter of that model and check it: architecture, names, shapes, finite values. */
struct adapter *adapter_open(const char *path, const struct model *m, struct err *e);
/* Free it and, of a model's adapters, those that follow. NULL is none. */
void adapter_free(struct adapter *a);
/* Hang it into the weights it changes, times `scale`, or put it before every sequence, whose own
 * positions are then fewer; the model owns it from then on. With scale 0 nothing is hung, so that
 * every bit is as without it. */
void adapter_attach(struct adapter *a, struct model *m, float scale);
/* What the adapters of `m` add to that tensor as a whole: a chain of lora, to free() as one; NULL
 * where nothing is added. */
struct lora *adapter_lora(const struct model *m, const char *tensor);

/* Write as a GGUF LoRA file, or as a PEFT folder, made where it is missing. F32. GGUF knows no
 * rsLoRA and gets the alpha for which alpha / rank is the scale. `m`: as for adapter_open. */
int adapter_save_gguf(const struct adapter *a, const struct model *m, const char *path,
	struct err *e);
int adapter_save_peft(const struct adapter *a, const struct model *m, const char *folder,
	struct err *e);

#endif
