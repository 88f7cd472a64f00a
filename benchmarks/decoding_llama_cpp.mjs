// Times llama.cpp at reading and writing tokens, a line of stdin after the other.
//
// node decoding_llama_cpp.mjs FOLDER MODEL.gguf THREADS, where FOLDER/node_modules holds node-llama-cpp.
// stdin: lines of JSON {"prompt": [id, ...], "newTokens": 64}; stdout: "ready" once, then for each line
// {"read": seconds until the first token, "write": seconds of the others, "count": how many those were}.
import {createInterface} from "node:readline";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const [folder, modelPath, threads] = process.argv.slice(2);
const {getLlama, LlamaLogLevel} = await import(
    pathToFileURL(join(folder, "node_modules", "node-llama-cpp", "dist", "index.js"))
);
const llama = await getLlama({
    gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error,
    maxThreads: Number(threads)
});
const model = await llama.loadModel({modelPath, gpuLayers: 0});
const context = await model.createContext({contextSize: 1024, batchSize: 512, sequences: 1, threads: Number(threads)});
const sequence = context.getSequence();
console.log("ready");
for await (const line of createInterface({input: process.stdin})) {
    const {prompt, newTokens} = JSON.parse(line);
    await sequence.clearHistory();
    const begun = performance.now();
    let first = 0, count = 0;
    for await (const _ of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
        first ||= performance.now();
        count += 1;
        if (count === newTokens)
            break;
    }
    console.log(JSON.stringify({read: (first - begun) / 1e3, write: (performance.now() - first) / 1e3, count: count - 1}));
}
await llama.dispose();
