"""From the probability that a model gives its own output to the probability that the output is good."""

import math
from typing import Annotated

from pydantic import Field

from model.config import Config


class Calibration(Config):
    """Platt's map ("Probabilistic Outputs for Support Vector Machines", 1999).

    The confidence is the sigmoid of intercept + slope * logit of the geometric mean of the tokens' probabilities.
    """

    intercept: float
    slope: Annotated[float, Field(gt=0)]
    """Above 0, so that a likelier output never has less confidence."""
    threshold: float
    """The score that a good output reaches; the task says which score."""

    def confidence(self, probability: float) -> float:
        """The confidence in an output, from the geometric mean of its tokens' probabilities."""
        probability = min(max(probability, 1e-9), 1 - 1e-9)
        score = self.intercept + self.slope * math.log(probability / (1 - probability))
        return 1 / (1 + math.exp(-score)) if score > -700 else 0.0
