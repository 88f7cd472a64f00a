// Asks llama.cpp about a GGUF file: which ids it gives to texts, its logits, and what it writes greedily.
//
// node _llama_cpp.mjs FOLDER QUESTION.json, where FOLDER/node_modules holds node-llama-cpp and the file holds
//     {"model": path, "texts": [...], "prompts": [[id, ...], ...], "newTokens": [32, ...], "contextSize": 64, "threads": 1,
//      "logits": path of a file to write, or ""}
// stdout: {"release": "b1234", "bos": id or null, "ids": [[...]], "texts": [...], "greedy": [[...]], "written": [...]}
//
// The file of logits is float32, prompt by prompt, token by token, the whole vocabulary. Nothing is built or downloaded:
// where the binary that the package should have brought is missing, or any part of it, the exit code is 3.
import {openSync, readFileSync, writeSync, closeSync} from "node:fs";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const ABSENT = 3;
const [folder, question] = process.argv.slice(2);
const asked = JSON.parse(readFileSync(question, "utf8"));

async function open() {
    try {
        const {getLlama, LlamaLogLevel} = await import(
            pathToFileURL(join(folder, "node_modules", "node-llama-cpp", "dist", "index.js"))
        );
        return await getLlama({
            gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error,
            maxThreads: asked.threads
        });
    } catch (error) {
        console.error(String(error.message).split("\n")[0]);
        process.exit(ABSENT);
    }
}

const llama = await open();
const model = await llama.loadModel({modelPath: asked.model, gpuLayers: 0});
const context = await model.createContext({
    contextSize: asked.contextSize, sequences: 1, threads: asked.threads, flashAttention: false,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"  // as in our cache; its own is F16
});
const sequence = context.getSequence();

async function read(prompt, file) {
    await sequence.clearHistory();
    const said = await sequence.controlledEvaluate(prompt.map((id) => [id, {generateNext: {logits: true}}]));
    for (const {next: {logits}} of said) {
        const row = new Float32Array(logits.size);
        for (const [id, logit] of logits)
            row[id] = logit;
        writeSync(file, row);
    }
}

async function write(prompt, newTokens) {
    await sequence.clearHistory();
    const ids = [];
    if (newTokens > 0)
        for await (const id of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
            ids.push(id);
            if (ids.length === newTokens)
                break;
        }
    return ids;
}

if (asked.logits) {
    const file = openSync(asked.logits, "w");
    for (const prompt of asked.prompts)
        await read(prompt, file);
    closeSync(file);
}
const greedy = [];
for (const [place, prompt] of asked.prompts.entries())
    greedy.push(await write(prompt, asked.newTokens[place]));
const ids = asked.texts.map((text) => model.tokenize(text));
console.log(JSON.stringify({
    release: llama.llamaCppRelease.release, bos: model.tokens.shouldPrependBosToken ? model.tokens.bos : null, ids,
    texts: ids.map((each) => model.detokenize(each)), greedy, written: greedy.map((each) => model.detokenize(each))
}));
await llama.dispose();
