"""The chat templates written here, by name: what a fine-tuning may teach a model that has none.

Each writes the system's text, turns of user and assistant, and `eos_token`, the model's end, after every answer.
`alpaca` is Taori et al. 2023, "Stanford Alpaca"; `chatml` is what OpenAI and Qwen use; `phi3` is Microsoft's; `plain`
is for small models with a vocabulary of their own, to which every mark costs tokens: answers follow a space.
"""

ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
NAMED = {
    "alpaca": (
        "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% else %}{{ '" + ALPACA + "' }}{% endif %}"
        "{% for message in messages %}{% if message.role == 'user' %}"
        "{{ '\\n\\n### Instruction:\\n' + message.content }}"
        "{% elif message.role == 'assistant' %}{{ '\\n\\n### Response:\\n' + message.content + eos_token }}"
        "{% elif not loop.first %}{{ raise_exception('only the first message may be the system') }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '\\n\\n### Response:\\n' }}{% endif %}"
    ),
    "chatml": (
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content }}"
        "{{ eos_token if message.role == 'assistant' else '<|im_end|>' }}{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
    "phi3": (
        "{% for message in messages %}{{ '<|' + message.role + '|>\\n' + message.content }}"
        "{{ eos_token if message.role == 'assistant' else '<|end|>' }}{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
    ),
    "plain": (
        "{% for message in messages %}{% if message.role == 'assistant' %}{{ ' ' + message.content + eos_token + '\\n' }}"
        "{% elif message.role == 'system' %}{{ message.content + '\\n' }}{% else %}{{ message.content }}{% endif %}"
        "{% endfor %}"
    ),
}
