// llama.cpp's speed on a model file, through npm's node-llama-cpp, for tests/bench.sh:
//
//	node llama_bench.mjs PACKAGES MODEL PROMPT GENERATE RUNS
//
// prints the median tokens per second of a prompt of arbitrary tokens and of greedy generation behind it, on as many
// threads as there are CPUs. PACKAGES is the folder with node_modules.
import {createRequire} from 'node:module';
import {availableParallelism} from 'node:os';
import {pathToFileURL} from 'node:url';

const [packages, file, prompt, generate, runs] = process.argv.slice(2).map((x, i) => i < 2 ? x : Number(x));
const resolve = createRequire(packages.replace(/^(?!\/)/, process.cwd() + '/') + '/node_modules/').resolve;
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(resolve('node-llama-cpp')));
const threads = availableParallelism();
const llama = await getLlama({gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: file, gpuLayers: 0});
const ids = Array.from({length: prompt}, (_, i) => 300 + i * 7919 % 400);
const first = [], then = [];

for (let run = 0; run <= runs; run++) { // the first one reads the file
	const context = await model.createContext({contextSize: prompt + generate + 8, batchSize: prompt, threads,
		flashAttention: false});
	const sequence = context.getSequence();
	let start = performance.now(), n = 0;

	await sequence.evaluateWithoutGeneratingNewTokens(ids);
	if (run > 0)
		first.push(prompt / (performance.now() - start) * 1e3);
	start = performance.now();
	for await (const _ of sequence.evaluate([300], {temperature: 0, yieldEogToken: true}))
		if (++n >= generate)
			break;
	if (run > 0)
		then.push(n / (performance.now() - start) * 1e3);
	await context.dispose();
}

const median = list => list.sort((a, b) => a - b)[list.length >> 1].toFixed(1);

console.log(median(first), median(then));
process.exit(0);
