"""The provider `replay`: a conversation with a model on file, recorded once, played as often as one likes, strictly.

`provider` is what the entry point names; `cassette` the data and `cassette_file` its YAML; `conversation` and `difference` decide whether
a request is the recorded one and say how it differs; `player` and `recorder` turn answers into chunks and back.
"""
