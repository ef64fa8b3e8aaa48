using System.Globalization;
using System.Text;
using System.Text.Json;
using HotModel.Llama;
using HotModel.Proxy;
using HotModel.Sessions;
using HotModel.Snapshots;

namespace HotModel.Prefill;

/// <summary>
/// Evaluates the conversation that was used last on a model that has just been loaded, before its next question comes: in
/// pieces, in the conversation's slot, while no request is there.
/// </summary>
/// <param name="prompts">What is evaluated.</param>
/// <param name="warm">Who sits in which slot.</param>
/// <param name="quiet">When no request is there.</param>
/// <param name="forwarder">The way to the model.</param>
/// <param name="limit">Of all pieces after one load together; zero: nothing is evaluated ahead.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">One line after each load that had something to evaluate.</param>
internal sealed class PrefillAhead(
    NextPrompt prompts, WarmReturn warm, QuietTime quiet, Forwarder forwarder, TimeSpan limit, TimeProvider time,
    ILogger<PrefillAhead> logger)
{
    /// <summary>A piece takes a fifth of that. One that does not end is given up, and whoever waits goes on.</summary>
    private static readonly TimeSpan PieceWait = TimeSpan.FromSeconds(1);

    /// <summary>Each costs whoever comes between a save, and this a restore.</summary>
    private const int MostReturns = 3;

    private const string ModelLeft = "The model has left, or a request would have waited too long.";

    private readonly Lock sync = new();
    private Run? run;
    private PrefillStatus status = PrefillStatus.Idle;

    public PrefillStatus Status
    {
        get
        {
            PrefillStatus now;
            lock (sync)
                now = limit == TimeSpan.Zero ? PrefillStatus.Off : status;
            // A deleted conversation is not spoken of any more.
            return now.Session is { } session && !prompts.IsThere(session) ? PrefillStatus.Idle : now;
        }
    }

    /// <summary>For tests: the end of what the last load began, whichever way.</summary>
    internal Task Finished
    {
        get
        {
            lock (sync)
                return run?.Task ?? Task.CompletedTask;
        }
    }

    /// <summary>What the next request will have.</summary>
    public void Remember(string session, ChatRequest request)
    {
        if (limit > TimeSpan.Zero)
            prompts.Remember(session, request);
    }

    /// <summary>A model has been loaded, and what was begun before has been ended.</summary>
    /// <param name="upstream">Where it answers.</param>
    /// <param name="restoredTokens">That its slot has of the conversation already.</param>
    public void Begin(Upstream upstream, int restoredTokens)
    {
        if (limit == TimeSpan.Zero)
            return;
        var begun = new Run();
        lock (sync)
        {
            (run, status) = (begun, PrefillStatus.Idle with { State = PrefillState.Running });
            begun.Task = RunAsync(begun, upstream, restoredTokens);
        }
    }

    /// <summary>Before a request, which has entered, takes a slot: waits for the end of the piece that runs.</summary>
    public async ValueTask GiveWayAsync()
    {
        Run? current;
        lock (sync)
            current = run;
        if (current is not null && quiet.PieceEnd is { IsCompleted: false } end)
            await EndSoonAsync(current, end);
    }

    /// <summary>The model is about to leave, or is lost. Afterwards nothing is sent to it from here.</summary>
    public async Task EndAsync()
    {
        Run? ended;
        lock (sync)
        {
            (ended, run) = (run, null);
            if (ended is null)
                return;
            ended.IsOver = true;
        }
        await EndSoonAsync(ended, quiet.PieceEnd);
        await ended.Cancel.CancelAsync();
        await ended.Task;
    }

    private async Task EndSoonAsync(Run current, Task pieceEnd)
    {
        try
        {
            await pieceEnd.WaitAsync(PieceWait, time);
        }
        catch (TimeoutException)
        {
            await current.Cancel.CancelAsync();
            await pieceEnd;
        }
    }

    private async Task RunAsync(Run current, Upstream upstream, int held)
    {
        // The caller is the switch.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            if (await prompts.BuildAsync(upstream, current.Cancel.Token) is { } beginning)
                await EvaluateAsync(current, upstream, beginning, held);
            else
                Report(current, PrefillStatus.Idle);
        }
        catch (OperationCanceledException) when (current.Cancel.IsCancellationRequested)
        {
            // The model leaves, or a request would have waited too long.
        }
        catch (Exception cause)
        {
            PrefillLog.Broke(logger, cause);
        }
    }

    private void Report(Run current, PrefillStatus now)
    {
        lock (sync)
        {
            if (run == current)
                status = now;
        }
    }

    private async Task EvaluateAsync(Run current, Upstream upstream, Beginning beginning, int held)
    {
        var total = beginning.Tokens.Count;
        var pace = new PrefillPace();
        var evaluated = 0;
        var returns = 0;
        var spent = TimeSpan.Zero;
        string? reason = ModelLeft;
        Report(PrefillState.Running);
        try
        {
            // So little is evaluated with the next question in no more time, and a changed slot would have to be saved again.
            reason = total - held < PrefillPace.LeastTokens ? null : await EvaluatePiecesAsync();
        }
        finally
        {
            Report(reason is null ? PrefillState.Done : PrefillState.Stopped);
            if (reason is not null)
                PrefillLog.Stopped(logger, beginning.Session, evaluated, total, Seconds(), reason);
            else if (evaluated > 0)
                PrefillLog.Done(logger, beginning.Session, evaluated, total, Seconds());
        }

        // Null, or why it ended before its time.
        async Task<string?> EvaluatePiecesAsync()
        {
            while (held < total)
            {
                if (spent >= limit)
                    return "snapshots.prefill_ahead_seconds has passed.";
                await quiet.BeginPieceAsync(current.Cancel.Token);
                try
                {
                    // Looked at within the piece: a request that comes now waits for its end.
                    if (current.IsOver)
                        return reason;
                    if (!prompts.IsStill(beginning))
                        return "The conversation has gone on, or is deleted.";
                    var began = time.GetTimestamp();
                    if (await warm.TakeAheadAsync(upstream, beginning.Session, current.Cancel.Token) is not { } slot)
                        return "Another conversation has the slot.";
                    using var taken = slot;
                    if (!slot.IsOwn)
                    {
                        if (evaluated > 0 && ++returns > MostReturns)
                            return "Other requests took its place in the slot again and again.";
                        // What another conversation has driven out is there as far as it was saved.
                        held = Math.Min(slot.FromFile.Tokens, total);
                    }
                    var count = Math.Min(total, held + pace.Tokens);
                    var start = time.GetTimestamp();
                    if (await EvaluateAsync(upstream, slot, beginning.Tokens.First(count), current.Cancel.Token)
                        is not { } timings)
                        return "llama-server did not evaluate it.";
                    slot.EvaluatedAhead(timings, count == total ? beginning.History : MessageHash.Start);
                    pace.Learn(timings.PromptTokens, time.GetElapsedTime(start).TotalSeconds);
                    spent += time.GetElapsedTime(began);
                    evaluated += timings.PromptTokens;
                    held = count;
                    Report(PrefillState.Running);
                    // Requests of other routes use the slot in between, and each piece has to begin anew.
                    if (evaluated > 2 * total)
                        return "Other requests took its place in the slot again and again.";
                }
                finally
                {
                    quiet.EndPiece();
                }
            }
            return null;
        }

        void Report(PrefillState state) => this.Report(current, new(
            state, beginning.Session, Math.Min(held, total), total, evaluated, Seconds(),
            state == PrefillState.Stopped ? reason : null));

        double Seconds() => Math.Round(spent.TotalSeconds, 3);
    }

    /// <summary>Null where llama-server did not do it.</summary>
    private async Task<AnswerTimings?> EvaluateAsync(
        Upstream upstream, TakenSlot slot, ReadOnlyMemory<byte> tokens, CancellationToken cancel)
    {
        using var scope = new RequestScope(time, cancel, CancellationToken.None);
        var question = RequestSplice.Of(
            "{\"model\":"u8.ToArray(), JsonText.Quote(upstream.Model), ",\"prompt\":"u8.ToArray(), tokens,
            Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
                $$"""],"id_slot":{{slot.Slot}},"n_predict":0,"cache_prompt":true,"response_fields":["timings"]}""")));
        return await forwarder.AskAsync(upstream, "completion", question, scope) is { } answer
            ? Timings(answer.Span) : null;
    }

    private static AnswerTimings? Timings(ReadOnlySpan<byte> answer)
    {
        try
        {
            var reader = new Utf8JsonReader(answer);
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("timings"u8))
                    return reader.Read() ? AnswerTimings.Read(ref reader) : null;
            }
        }
        catch (JsonException)
        {
        }
        return null;
    }

    /// <summary>Of one load.</summary>
    private sealed class Run
    {
        public CancellationTokenSource Cancel { get; } = new();
        public Task Task { get; set; } = Task.CompletedTask;
        public volatile bool IsOver;
    }
}

internal enum PrefillState
{
    Off,
    /// <summary>Nothing was to be done since the load.</summary>
    Idle,
    Running,
    Done,
    /// <summary>By a request that came, by its bound, or by llama-server.</summary>
    Stopped,
}

/// <param name="Session">The conversation; null where there is none.</param>
/// <param name="Tokens">That its slot holds.</param>
/// <param name="TotalTokens">That its next prompt begins with.</param>
/// <param name="EvaluatedTokens">Of them, here.</param>
/// <param name="Seconds">That this took.</param>
/// <param name="Reason">Why it was stopped, one sentence; else null.</param>
internal sealed record PrefillStatus(
    PrefillState State, string? Session, int Tokens, int TotalTokens, int EvaluatedTokens, double Seconds, string? Reason)
{
    public static readonly PrefillStatus Idle = new(PrefillState.Idle, null, 0, 0, 0, 0, null);
    public static readonly PrefillStatus Off = Idle with { State = PrefillState.Off };
}
