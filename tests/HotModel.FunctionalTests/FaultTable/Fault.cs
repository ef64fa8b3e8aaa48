namespace HotModel.FunctionalTests.FaultTable;

/// <summary>What HotModel is doing when a fault strikes. "a" is the model that answers, or answered last.</summary>
internal enum Phase
{
    /// <summary>a is loaded for the first time.</summary>
    Starting,
    /// <summary>a is loaded, and no request is there.</summary>
    Idle,
    /// <summary>a is giving an answer.</summary>
    Answering,
    /// <summary>A switch to b waits for that answer.</summary>
    Draining,
    Unloading,
    Settling,
    /// <summary>b is loaded.</summary>
    Loading,
    /// <summary>b did not load, and a is loaded again.</summary>
    RollingBack,
    /// <summary>a's process died, and a is loaded again.</summary>
    BringingBack,
    /// <summary>b answers the request that waited for it.</summary>
    FirstAnswer,
    /// <summary>HotModel was told to end, and waits for a's answer.</summary>
    Stopping,
}

internal enum Victim { Nobody, Model, Server }

/// <summary>By when everybody has an answer: a number of seconds beyond a time-out of the configuration, if there is one.</summary>
internal sealed record Bound
{
    private string? Setting { get; init; }
    private int Times { get; init; }
    private int Slack { get; init; }

    /// <summary>For the page.</summary>
    public string Text => Setting is null ? $"{Slack} s" : $"{(Times > 1 ? $"{Times} × " : "")}`{Setting}` + {Slack} s";

    public static Bound Of(int seconds) => new() { Slack = seconds };

    public static Bound After(string setting, int slack, int times = 1) =>
        new() { Setting = setting, Times = times, Slack = slack };

    public double In(ServerKind kind) => Slack + (Setting is null ? 0 : Times * kind.Timeouts[Setting]);
}

/// <summary>One fault in one phase.</summary>
/// <param name="Fault">The fault.</param>
/// <param name="Phase">When it strikes.</param>
/// <param name="Bound">By when everybody has an answer.</param>
/// <param name="Faults">Of the fake llama-server, from the strike on.</param>
/// <param name="Prelude">Of the fake llama-server, from the beginning on.</param>
internal sealed record Cell(Fault Fault, Phase Phase, Bound Bound, string Faults, string Prelude)
{
    public string Name => $"{Fault.Title} / {Phase}";
    public double Seconds => Bound.In(Fault.Kind);
}

/// <summary>A row of the table: in each phase there is a cell, or a reason why there is none.</summary>
internal sealed class Fault(string title, string what)
{
    private readonly List<Cell> cells = [];
    private readonly List<(string Reason, Phase[] Phases)> reasons = [];
    private (string Reason, Phase[] Phases)? rest;

    public string Title { get; } = title;
    /// <summary>What is wrong, for readers.</summary>
    public string What { get; } = what;
    public IReadOnlyList<Cell> Cells => cells;
    public IReadOnlyList<(string Reason, Phase[] Phases)> Reasons => reasons;
    /// <summary>Of all phases that are neither in the cells nor in the reasons.</summary>
    public (string Reason, Phase[] Phases)? Rest => rest;

    public ServerKind Kind { get; init; } = ServerKind.Usual;
    /// <summary>Killed by the strike.</summary>
    public Victim Victim { get; init; }
    /// <summary>The model's process is killed too, where nobody would notice the fault otherwise.</summary>
    public bool KillsIdle { get; init; }
    /// <summary>The next request is sent until it has a whole answer.</summary>
    public bool IsAskedAgain { get; init; }
    /// <summary>It strikes before the answer has begun, not in the middle of it.</summary>
    public bool IsBeforeAnswer { get; init; }
    /// <summary>It strikes as the phase begins, not in the middle of it.</summary>
    public bool IsAtOnce { get; init; }
    /// <summary>Nothing ends the running answer but its client, who leaves in the end.</summary>
    public bool ClientLeaves { get; init; }
    /// <summary>What is in use of the GPU from the strike on; null: it has none.</summary>
    public string? VideoMemory { get; init; }
    /// <summary>The switch is forced.</summary>
    public bool IsForced { get; init; }

    /// <param name="bound">By when everybody has an answer.</param>
    /// <param name="faults">Of the fake; "{}" is the model that is loaded, or answers, in that phase.</param>
    /// <param name="phases">When.</param>
    public Fault In(Bound bound, string faults, params Phase[] phases) => With("", bound, faults, phases);

    /// <inheritdoc cref="In"/>
    /// <param name="prelude">Of the fake, from the beginning on.</param>
    public Fault With(string prelude, Bound bound, string faults, params Phase[] phases)
    {
        foreach (var phase in phases)
        {
            var model = phase is Phase.Loading or Phase.FirstAnswer ? "b" : "a";
            cells.Add(new Cell(this, phase, bound, faults.Replace("{}", model, StringComparison.Ordinal), prelude));
        }
        return this;
    }

    public Fault NotIn(string reason, params Phase[] phases)
    {
        reasons.Add((reason, phases));
        return this;
    }

    /// <summary>Why there is no cell for all other phases.</summary>
    public Fault NorElsewhere(string reason)
    {
        rest = (reason, [.. Enum.GetValues<Phase>().Where(phase =>
            cells.All(cell => cell.Phase != phase) && reasons.All(known => !known.Phases.Contains(phase)))]);
        return this;
    }
}
