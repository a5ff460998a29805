/** The z-loss (Zoph et al. 2022, ST-MoE, arXiv 2202.08906, equation 5), which keeps router logits small. */
import { logSumExp, mean, square, type Tensor } from '@lpr/tensor';

/** `mean over tokens of logSumExp(logits)^2`; logits `[tokens, M]`. The source weights it with 1e-3. */
export function zLoss(logits: Tensor): Tensor {
  return mean(square(logSumExp(logits)));
}
