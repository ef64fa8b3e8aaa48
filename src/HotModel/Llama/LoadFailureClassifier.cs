using System.Globalization;

namespace HotModel.Llama;

/// <summary>What is known about the end of a load, beside the log.</summary>
/// <param name="ExitCode">128 + N for signal N; null where the process still runs or its status is unknown.</param>
/// <param name="WasLoaded">The model had been answering: its log may hold complaints that have nothing to do with its
/// end.</param>
/// <param name="IsRouter">The router itself ended, and the model with it.</param>
/// <param name="LogName">The file in which more may stand; null: none.</param>
internal readonly record struct LoadExit(int? ExitCode, bool WasLoaded = false, bool IsRouter = false, string? LogName = null)
{
    /// <summary>llama-server's router says "exit code 1" of every child that died, whatever killed it.</summary>
    public static LoadExit OfRouterChild(bool wasLoaded, string logName) => new(null, wasLoaded, LogName: logName);

    public int? Signal => ExitCode is > 128 and < 128 + 65 ? ExitCode - 128 : null;
}

/// <summary>Turns the last lines of a server into a reason and one sentence. Pure.</summary>
/// <remarks>The phrases are those of llama-server 0.7.0 and of the ggml backends; case is as they print it.</remarks>
internal static class LoadFailureClassifier
{
    // A report is read by people: beyond this a tail hides more than it shows.
    private const int TailLines = 60;

    private readonly record struct Finding(LoadFailureReason Reason, string Error);

    /// <param name="lines">Output since the load began, oldest first.</param>
    /// <param name="model">The configured name, for the sentence.</param>
    /// <param name="path">The model's file, or null where there is none.</param>
    public static LoadFailure Classify(IReadOnlyList<string> lines, LoadExit exit, string model, string? path)
    {
        var finding = OutOfMemory(lines);
        if (!exit.WasLoaded)
        {
            finding ??= BadArgument(lines) ?? PortInUse(lines) ?? CannotRun(lines)
                ?? Missing(lines, model) ?? Corrupt(lines, model, path);
        }
        finding ??= Ended(lines, exit, model);
        return new LoadFailure(finding.Value.Reason, finding.Value.Error, Tail(lines));
    }

    private static Finding? OutOfMemory(IReadOnlyList<string> lines)
    {
        string? device = null;
        string? size = null;
        var found = false;
        foreach (var line in lines)
        {
            // "allocating 9866.00 MiB on device 1: cudaMalloc failed: out of memory", the same for HIP and MUSA.
            // "failed to allocate CUDA1 buffer of size 10345253120", "unable to allocate CUDA0 buffer"
            // "ggml_vulkan: Device memory allocation of size 369827840 failed." + "ErrorOutOfDeviceMemory"
            // "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
            // "failed to initialize the context: std::bad_alloc"
            var hit = line.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
                || line.Contains("OutOfDeviceMemory", StringComparison.Ordinal)
                || line.Contains("OutOfHostMemory", StringComparison.Ordinal)
                || line.Contains("ErrorOutOfMemory", StringComparison.Ordinal)
                || line.Contains("ggml_vulkan: Device memory allocation of size", StringComparison.Ordinal)
                || line.Contains("std::bad_alloc", StringComparison.Ordinal)
                || line.Contains("Cannot allocate memory", StringComparison.Ordinal)
                || IsFailedBuffer(line);
            if (!hit)
                continue;
            found = true;
            size ??= Between(line, "allocating ", " on device");
            device ??= Between(line, "failed to allocate ", " buffer")
                ?? Between(line, "unable to allocate ", " buffer");
            if (Between(line, " on device ", ":") is { } index)
                device ??= $"device {index}";
            if (line.Contains("ggml_vulkan", StringComparison.Ordinal))
                device ??= "the Vulkan device";
            if (line.Contains("metal", StringComparison.OrdinalIgnoreCase)
                || line.Contains("kIOGPU", StringComparison.Ordinal))
                device ??= "the Metal device";
        }
        if (!found)
            return null;
        var wanted = size is null ? "" : $" ({size} were asked for)";
        return new(LoadFailureReason.OutOfMemory,
            $"Out of memory on {device ?? "the host"}{wanted}: "
            + "use fewer gpu_layers, a smaller ctx_size or a smaller model.");
    }

    // "failed to allocate compute buffers" and "failed to allocate buffer for kv cache" among them.
    private static bool IsFailedBuffer(string line) =>
        (line.Contains("failed to allocate ", StringComparison.Ordinal)
            || line.Contains("unable to allocate ", StringComparison.Ordinal))
        && line.Contains("buffer", StringComparison.Ordinal)
        // Vulkan and CUDA go on without pinned memory.
        && !line.Contains("pinned", StringComparison.Ordinal);

    private static Finding? BadArgument(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
        {
            if (After(line, "error: invalid argument: ") is { } flag)
                return new(LoadFailureReason.UnknownFlag, $"llama-server does not know the flag '{flag}'.");
            if (Between(line, "option '", "' not recognized in preset '") is { } option)
            {
                var preset = Between(line, "not recognized in preset '", "'");
                return new(LoadFailureReason.UnknownFlag,
                    $"llama-server does not know the key '{option}' in the preset of '{preset}'.");
            }
            if (Between(line, "error while handling argument \"", "\": ") is { } argument)
            {
                var why = After(line, "\": ");
                if (why == "stoi")
                    why = "not a number";
                return new(LoadFailureReason.UnknownFlag,
                    $"llama-server does not accept the value of '{argument}' ({why}).");
            }
        }
        return null;
    }

    private static Finding? PortInUse(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
        {
            if (line.Contains("couldn't bind", StringComparison.Ordinal))
            {
                var port = After(line, "port: ");
                return new(LoadFailureReason.PortInUse,
                    $"llama-server cannot listen on port {port ?? "?"}: another program uses it.");
            }
            if (line.Contains("Address already in use", StringComparison.OrdinalIgnoreCase))
                return new(LoadFailureReason.PortInUse, "The server cannot listen: another program uses its port.");
        }
        return null;
    }

    private static Finding? CannotRun(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
        {
            if (After(line, LaunchCommand.CannotRunMessage) is { } what)
                return new(LoadFailureReason.BinaryMissing, $"The server's program cannot be run: {what}.");
            if (line.Contains("error while loading shared libraries", StringComparison.Ordinal))
                return new(LoadFailureReason.BinaryMissing, $"The server's program cannot be run: {line.Trim()}.");
        }
        return null;
    }

    private static Finding? Missing(IReadOnlyList<string> lines, string model)
    {
        foreach (var line in lines)
        {
            if (!line.Contains("(No such file or directory)", StringComparison.Ordinal)
                && !line.Contains("No such file or directory", StringComparison.Ordinal))
                continue;
            var file = Between(line, "file '", "'") ?? Between(line, "open ", ":");
            return new(LoadFailureReason.MissingFile,
                file is null
                    ? $"A file of model '{model}' is missing."
                    : $"The file '{file}' of model '{model}' is missing.");
        }
        return null;
    }

    private static Finding? Corrupt(IReadOnlyList<string> lines, string model, string? path)
    {
        var file = path is null ? $"The file of model '{model}'" : $"'{path}'";
        foreach (var line in lines)
        {
            if (After(line, "unknown model architecture: ") is { } architecture)
                return new(LoadFailureReason.CorruptFile,
                    $"{file} is of the architecture {architecture}, which this llama-server does not know.");
            if (line.Contains("invalid magic", StringComparison.Ordinal)
                || line.Contains("failed to read magic", StringComparison.Ordinal))
                return new(LoadFailureReason.CorruptFile, $"{file} is not a GGUF file.");
            if (line.Contains("not within the file bounds", StringComparison.Ordinal))
                return new(LoadFailureReason.CorruptFile, $"{file} is incomplete or corrupt: it ends within a tensor.");
        }
        foreach (var line in lines)
        {
            if (line.Contains("gguf_init_from", StringComparison.Ordinal)
                && line.Contains("fail", StringComparison.OrdinalIgnoreCase))
                return new(LoadFailureReason.CorruptFile, $"{file} is corrupt: {Message(line)}.");
            // Whatever else the loader finds wrong with the content: keys, tensor shapes, tokenizer.
            if (After(line, "error loading model: ") is { } why
                && !why.Contains("failed to load model from", StringComparison.Ordinal))
                return new(LoadFailureReason.CorruptFile, $"{file} cannot be loaded: {why}.");
        }
        return null;
    }

    private static Finding Ended(IReadOnlyList<string> lines, LoadExit exit, string model)
    {
        var process = exit.IsRouter ? "llama-server's router" : $"The process of model '{model}'";
        if (exit.Signal is 9 or 15)
            return new(LoadFailureReason.Killed,
                $"{process} was killed from outside (signal {exit.Signal}), perhaps by the kernel for lack of memory.");
        if (Complaint(lines, exit) is { } complaint)
            return new(LoadFailureReason.Exited, $"{process} ended: {Message(complaint)}.");
        if (exit.Signal is { } signal)
            return new(LoadFailureReason.Exited, $"{process} crashed (signal {signal}).");
        if (exit.ExitCode is { } code)
            return new(LoadFailureReason.Exited, $"{process} ended with status {code}.");
        // A router's child that ends without a word did not leave by itself: llama-server always says why. Which signal
        // ended it, its own or somebody's, the router does not tell.
        return new(LoadFailureReason.Killed,
            $"{process} ended unexpectedly: a crash, or killed from outside, perhaps by the kernel for lack of memory"
            + (exit.LogName is { } log ? $"; see {log}." : "."));
    }

    private static string? Complaint(IReadOnlyList<string> lines, LoadExit exit)
    {
        bool Counts(string line) => IsFatal(line) || (!exit.WasLoaded && IsComplaint(line));
        var last = lines.LastOrDefault(Counts);
        // This one says only that others stand before it: what went wrong, then what could not be done because of it.
        return last?.Contains("exiting due to model loading error", StringComparison.Ordinal) == true
            ? lines.First(Counts)
            : last;
    }

    /// <summary>The preset section that keeps the whole router from starting, or null.</summary>
    public static string? BadPresetSection(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
        {
            if (Between(line, "not recognized in preset '", "'") is { } section)
                return section;
        }
        return null;
    }

    private static bool IsFatal(string line) =>
        line.Contains("GGML_ASSERT", StringComparison.Ordinal)
        || line.Contains("terminate called", StringComparison.Ordinal)
        || line.Contains("CUDA error", StringComparison.Ordinal);

    private static bool IsComplaint(string line) =>
        line.Contains(" E ", StringComparison.Ordinal)
        || line.Contains("error:", StringComparison.OrdinalIgnoreCase);

    /// <summary>The line without the port, time and level that llama-server puts before it.</summary>
    internal static string Message(string line)
    {
        var level = line.IndexOf(" E ", StringComparison.Ordinal);
        var text = level >= 0 ? line[(level + 3)..] : line;
        if (text.StartsWith('[') && text.IndexOf("] ", StringComparison.Ordinal) is var end and > 0)
            text = text[(end + 2)..];
        return text.Trim().TrimEnd('.');
    }

    private static IReadOnlyList<string> Tail(IReadOnlyList<string> lines) => [.. lines.TakeLast(TailLines)];

    private static string? After(string line, string phrase)
    {
        var at = line.IndexOf(phrase, StringComparison.Ordinal);
        return at < 0 ? null : line[(at + phrase.Length)..].Trim();
    }

    private static string? Between(string line, string before, string after)
    {
        var start = line.IndexOf(before, StringComparison.Ordinal);
        if (start < 0)
            return null;
        start += before.Length;
        var end = line.IndexOf(after, start, StringComparison.Ordinal);
        return end <= start ? null : line[start..end];
    }
}
