"""Networks from codes to logits, one file per paper."""
