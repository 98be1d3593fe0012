"""The codes of diagnostics: what each means and what to do. Codes are stable; a retired one is not used again."""

from __future__ import annotations

CODES: dict[str, tuple[str, str]] = {
    "XL001": ("Syntax error", "The file is not Python 3 that can be parsed. The message is the parser's own."),
    "XL002": ("Python 2", "Convert the file with `futurize` or `2to3` first."),
    "XL003": ("The text cannot be decoded", "The bytes are not in the encoding that the file declares, or UTF-8."),
    "XL004": ("Not a text file", "The file is binary, or UTF-16. Python source is UTF-8 or declares its encoding."),
    "XL005": ("Nested too deeply", "Split the expression; generated code is better generated anew."),
    "XL006": ("No such file or folder", "Check the path."),
    "XL007": ("The input cannot be read", "Check the permissions, and symbolic links that lead in a circle."),
    "XL008": ("Neither a Python file nor a folder", "Only Python source is translated."),
    "XL009": ("A symbolic link that leads out of the project", "It is not followed. Copy what it leads to by hand, if it belongs there."),
    "XL010": ("The output exists and is different", "Look at it, then use --force, or choose another place with -o."),
    "XL011": ("The output cannot be written", "Check the path, the permissions and the space on the disk."),
    "XL012": ("A package's `__init__.py` cannot be translated beside itself", "Use -o DIR or --in-place."),
    "XL015": ("Wrong settings", "`[tool.xlate]` in pyproject.toml says something that it cannot; `xlate config` shows the settings."),
    "XL016": ("Git does not have the sources", "Replacing them in place could not be undone. Commit first, or use -o DIR."),
    "XL017": ("The cluster cannot be used", "Ray is not installed, not reachable, or has another version of xlate on one of its machines."),
    "XL018": ("A package that is to come along is not found", "Name what is imported, its distribution, or the path of its folder with `--vendor`."),
    "XL050": ("The direction is not known", "The file imports both frameworks, or neither: say which way with --direction."),
    "XL051": (
        "Nothing to verify",
        "No class or function was found that makes a model without arguments. Name one with --entry, and its arguments "
        "with --init 'num_classes=10'.",
    ),
    "XL052": ("No test can be written", "A test holds the weights and outputs of one model that was verified, and not too large."),
    "XL060": ("Not a checkpoint that can be read", "The file is cut short, damaged, or of another kind than its name says."),
    "XL061": ("A checkpoint that would run code", "Loading its Python objects runs what its maker wrote. Save the state dict alone, or use --unsafe."),
    "XL062": ("The checkpoint does not fit the model", "Names or shapes differ: was it another model, or were its arguments (--init) others? --partial converts what fits."),
    "XL063": ("The checkpoint holds values that are not numbers", "The training that made it went wrong. --allow-nan converts it all the same."),
    "XL064": ("It is not clear which state is meant", "Name the dict of weights in the file with --key."),
    "XL065": (
        "The state of an optimizer cannot be converted",
        "Only one that both frameworks have, and of which it is clear which array belongs to which weight. Without "
        "--optimizer the weights alone are converted.",
    ),
    "XL013": ("Not a notebook that can be read", "Notebooks of format 4 are read: `jupyter nbconvert --to notebook` converts older ones."),
    "XL014": (
        "Statements of several cells belong together",
        "A structure such as a training step is translated as a whole: put its statements into one cell.",
    ),
    "XL200": ("No row for this API yet", "Translate the line by hand, or add a row to a table of your own (docs/tables.md)."),
    "XL201": (
        "An argument is not translated",
        "The row of this API does not cover the argument at this value; only its default is known to be equal.",
    ),
    "XL202": (
        "The arguments cannot be told apart",
        "`*` or `**` arguments hide what is passed, or the call does not fit the signature. Write them out.",
    ),
    "XL203": ("No counterpart", "The other framework has nothing equal; the message and its hint say what to do."),
    "XL204": (
        "An API is used as a value",
        "Something other than calling it: its counterpart takes other arguments, so it cannot simply be renamed.",
    ),
    "XL205": (
        "Not known to be a tensor",
        "The inference cannot tell what a method is called on, or what a tensor is indexed with. Annotate it.",
    ),
    "XL206": (
        "Memory is changed in place that something else sees",
        "TensorFlow's tensors do not change. Make a copy, or compute a new value and use that.",
    ),
    "XL207": ("A layer's parameter is used outside of the layer", "Its name or axes differ in Keras; say what you mean by hand."),
    "XL208": ("The target's signature is not known", "A table names an API that the signature files lack: a defect of the table."),
    "XL209": ("A rank or type is needed and not known", "Which form is equal depends on it. Annotate, or pass it as a literal."),
    "XL210": ("Types would be promoted", "PyTorch promotes these types by itself, TensorFlow does not, and the result's type is not certain."),
    "XL211": ("`training` is read where it cannot be passed", "Pass it as an argument from `call`."),
    "XL212": ("The source framework is still used", "Something was left that no rule speaks of. Translate it by hand."),
    "XL213": ("A star import", "It hides which names belong to the framework. Import the names that are used."),
    "XL215": (
        "The inference reached its limit",
        "Each function is run a bounded number of times with what its callers pass; here that changed with each run, as "
        "when a function calls itself with ever larger tuples. It stays as it is: annotate its parameters.",
    ),
    "XL220": (
        "A training step is left as it is",
        "`zero_grad`, forward, loss, `backward` and `step` are translated as one structure or not at all. The message "
        "says what stands in the way; change that, or write the step with tf.GradientTape by hand.",
    ),
    "XL221": ("The mode of a part of a model is changed", "Keras has no modes: pass `training=` at the calls."),
    "XL222": ("`param_groups` is used in a way that is not translated", "Read and set `optimizer.learning_rate` instead."),
    "XL214": ("A class is tested by its name", "Keras's classes have other names. Test with isinstance."),
    "XL301": ("Axis orders differ", "A value has different axis orders on different paths, so one form cannot serve all."),
    "XL302": ("The axis order cannot be followed", "An operation needs Keras's order of a value that is kept channels-first."),
    "XL304": (
        "Channels-last not proven",
        "The layer or operation works in PyTorch's axis order, since nothing can be converted where it is called. Where "
        "that cannot be told to single layers, the whole program is translated with channels first.",
    ),
    "XL303": ("channels_first sources", "Keras programs with data_format=\"channels_first\" are not translated yet."),
    "XL401": (
        "Known deviation",
        "The plain form of the other framework differs in a listed way that does not change outputs or gradients "
        "for given weights: an initialiser's distribution, a running statistic. `--fidelity exact` avoids it.",
    ),
    "XL403": ("A method that only the source framework calls is dropped", "Nothing in the other framework would call it."),
    "XL402": ("A size is not known", "PyTorch wants it when the layer is made. A lazy module finds it at the first call; else refused."),
    "XL404": ("Modes differ", "PyTorch modules start in training mode, Keras calls infer unless told to train."),
    "XL601": ("A dependency is replaced", "The project's files name the other framework now. Look at the version that you want."),
    "XL602": (
        "A dependency that needs a decision",
        "A library of the source's framework that is dropped, since nothing imports it any more, or kept, since "
        "something still does; or a base image that only you can choose.",
    ),
    "XL603": (
        "A copied file names the source's framework",
        "A configuration, script or example speaks of it: a class to make, a package to install, code. What that means is "
        "up to what reads it, so it is copied as it is; bring it in line with the migrated program.",
    ),
    "XL604": (
        "A library that is made for the source's framework stays",
        "What it gives is of the old framework. `xlate migrate --vendor NAME` translates the parts of its source that the "
        "project uses along with it.",
    ),
    "XL605": ("A package's source comes along", "It was translated with the project, into `_vendor`, with its licence."),
    "XL405": (
        "Precision is set elsewhere",
        "PyTorch casts inside of an autocast block; Keras layers compute in the precision of their policy, which is set "
        "before they are made. The block runs in the policy's precision.",
    ),
    "XL407": (
        "A training loop stays a loop",
        "With `--style fit`, a loop over epochs and batches becomes `compile` and `fit` where nothing else is known to happen "
        "in it. The message says what stands against it; what is written instead follows PyTorch's loop line by line.",
    ),
    "XL406": (
        "Has no meaning in TensorFlow",
        "An argument or setting of PyTorch's runtime (worker processes, memory, backends) is dropped.",
    ),
    "XL408": (
        "Another kind of file",
        "The program writes a file of PyTorch's, which TensorFlow writes in a format of its own. What reads the file has to "
        "read that one.",
    ),
    "XL409": (
        "A file of weights changes its format",
        "What Keras wrote as .keras, .h5 or .weights.h5 is a PyTorch file now: files written before must be converted "
        "with `xlate weights`.",
    ),
    "XL410": (
        "Asked when it runs",
        "A method that tensors and other objects have is called on something that may be either: the translation asks "
        "which it is. Annotate the value, and it is written without the question.",
    ),
    "XL900": ("Internal error", "A defect of xlate. The source is left as it is; please report it with the traceback (-v)."),
}  # fmt: skip
"""Code to its title and what it means for the user."""
