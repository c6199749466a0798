"""What gentk-classical offers. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import ModelSpec, RecipeSpec, hookimpl


def _model(name: str, target: str, config: str, summary: str, paper: str = "", check: str = "") -> ModelSpec:
    target, config = f"gentk_classical.{target}", f"gentk_classical.config:{config}"
    return ModelSpec(name, target, config, summary=summary, paper=paper, check=f"recipes/check-{check or name}.toml")


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    em = "Dempster, Laird and Rubin 1977"
    yield _model("gmm", "mixture:GMM", "GMMConfig", "Mixture of Gaussians, of all examples or one per class", em)
    yield _model("naive-bayes", "naive_bayes:NaiveBayes", "NaiveBayesConfig", "Numbers independent given the class: Gaussian or Bernoulli",
                 check="points")  # fmt: skip
    yield _model("kde", "kde:KDE", "KDEConfig", "Kernel density estimate", "Parzen 1962", check="points")
    yield _model("copula", "copula:Copula", "CopulaConfig", "Columns of any law joined by a Gaussian: for tables", "Sklar 1959",
                 check="points")  # fmt: skip
    yield _model("hmm", "hmm:HMM", "HMMConfig", "Hidden Markov model with Gaussian or categorical emissions", "Rabiner 1989")
    yield _model("markov", "markov:Markov", "MarkovConfig", "Markov chain of order n, from data or a given matrix", "Markov 1906")
    yield _model("ar", "ar:AR", "ARConfig", "Autoregression AR(p): fit, forecast, intervals", "Yule 1927")
    yield _model("bayes-net", "bayes_net:BayesNet", "BayesNetConfig", "Columns on a given graph or on the likeliest tree",
                 "Chow and Liu 1968")  # fmt: skip


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    for name, summary in (
        ("gmm", "Two half-moons, a mixture for each"),
        ("naive-bayes", "Digits of 8×8, a Gaussian per pixel and class"),
        ("kde", "Irises, a kernel around each"),
        ("copula", "Irises of three species, a copula for each"),
        ("hmm", "Hidden kinds of words in generated sentences"),
        ("markov", "Generated sentences, letter by letter"),
        ("ar", "Airline passengers from the twelve months before"),
        ("bayes-net", "Rain, sprinkler, wet grass"),
    ):
        yield RecipeSpec(name, f"recipes/{name}.toml", weights=f"weights/{name}", summary=summary)
