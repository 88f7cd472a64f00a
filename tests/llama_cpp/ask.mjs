// Asks llama.cpp about a GGUF file: which ids it gives to texts, and what it writes after prompts, greedily.
//
// node ask.mjs QUESTION.json, a file with
//         {"model": path, "texts": [...], "prompts": [...], "maxNewTokens": 32, "contextSize": 64}
// stdout: {"release": "v0.5.0", "ids": [[...]], "texts": [...], "written": [{"ids": [...], "text": "...", "top": [...]}]}
//
// "top" holds for each token written the likeliest ids and their probabilities, [[id, p], ...]. Nothing is built or
// downloaded: a binary that the npm package hasn't brought is an error.
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const TOP = 20;
const modules = join(process.env.LLAMA_CPP_NODE, "node_modules", "node-llama-cpp");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(join(modules, "dist", "index.js")));
const asked = JSON.parse(readFileSync(process.argv[2], "utf8"));

const llama = await getLlama({
    gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: 1
});
const model = await llama.loadModel({modelPath: asked.model, gpuLayers: 0});
const context = await model.createContext({
    contextSize: asked.contextSize, sequences: 1, threads: 1, flashAttention: false,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"  // as in our cache; its own is F16
});
const sequence = context.getSequence();

async function write(prompt) {
    await sequence.clearHistory();
    const ids = [], top = [];
    const writing = sequence.evaluateWithMetadata(model.tokenize(prompt), {probabilities: true}, {temperature: 0});
    for await (const {token, probabilities} of writing) {
        ids.push(token);
        top.push([...probabilities].slice(0, TOP));
        if (ids.length === asked.maxNewTokens)
            break;
    }
    return {ids, text: model.detokenize(ids), top};
}

const ids = asked.texts.map((text) => model.tokenize(text));
const texts = ids.map((each) => model.detokenize(each));
const written = [];
for (const prompt of asked.prompts)
    written.push(await write(prompt));
console.log(JSON.stringify({release: llama.llamaCppRelease.release, ids, texts, written}));
await llama.dispose();
