using System.Collections;
using HotModel.Configuration;
using HotModel.Llama;

namespace HotModel.Snapshots;

/// <summary>Issues the passport of a model that has just been loaded.</summary>
internal sealed class PassportOffice(TimeProvider time)
{
    private readonly FileIdentity files = new();
    // llama-server takes options from these too, and its processes get ours.
    private readonly List<string> environment = OptionsOfEnvironment();

    /// <param name="model">The model.</param>
    /// <param name="upstream">Where it answers.</param>
    /// <param name="arguments">The command line that its process really has, with or without the program.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>Null where something about it is unknown: then there are no snapshots for this load.</returns>
    public async Task<Passport?> IssueAsync(
        ModelConfig model, Upstream upstream, IReadOnlyList<string> arguments, CancellationToken cancel)
    {
        using var client = new RouterClient(upstream.BaseAddress, upstream.ApiKey, time);
        var reply = await client.ModelPropsAsync(upstream.Model, cancel);
        if (!reply.IsOk || ServerProps.Read(reply.Body) is not { } props)
            return null;
        // Reading it the first time may take a moment, and the caller is the switch.
        return await Task.Run(() => Issue(model, props, arguments), cancel);
    }

    internal Passport? Issue(ModelConfig model, ServerProps props, IReadOnlyList<string> arguments)
    {
        var path = props.ModelPath ?? ServerArguments.Model(arguments) ?? model.Path;
        if (files.Of(ServerArguments.Shards(path)) is not { } modelFile
            || files.Of(ServerArguments.Files(arguments)) is not { } otherFiles)
            return null;
        var all = new HashInput().Add(modelFile).Add(otherFiles).Add(props.Build)
            .Add(props.ContextTokens).Add(props.Slots).Add(props.Template);
        foreach (var argument in ServerArguments.Canonical(arguments))
            all.Add(argument);
        all.Add(environment.Count);
        foreach (var option in environment)
            all.Add(option);
        // A model with a sliding window can be restored with --swa-full and cannot without.
        var isWhole = arguments.Contains("--swa-full");
        var restorable = new HashInput().Add(modelFile).Add(props.Build).Add(isWhole ? 1 : 0);
        return new Passport(model.Name, all.Hex(), restorable.Hex());
    }

    private static List<string> OptionsOfEnvironment() =>
    [
        .. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(variable => (string)variable.Key is var name
                && name.StartsWith("LLAMA_ARG_", StringComparison.Ordinal)
                && name is not ("LLAMA_ARG_HOST" or "LLAMA_ARG_PORT" or "LLAMA_ARG_THREADS" or "LLAMA_ARG_THREADS_HTTP"))
            .Select(variable => $"{variable.Key}={variable.Value}")
            .Order(StringComparer.Ordinal),
    ];
}
