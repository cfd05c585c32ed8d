"""The Helm chart, made of the very objects that `sympozium install` applies: `values` says what can be chosen, `template` writes it down."""
