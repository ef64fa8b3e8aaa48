using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using HotModel.Api;
using HotModel.Switching;

namespace HotModel.Proxy;

/// <summary>
/// What a client that asked for a stream gets before its answer begins: the head, and a comment now and then.
/// </summary>
/// <remarks>
/// Each such request has one, and as long as it need not wait that is all: no timer runs. Comments are written on the
/// timer's thread, and nobody else touches the response then. So whoever has something to write calls <see cref="End"/>
/// first; if that says that the head has gone, it waits for <see cref="Written"/>, sets no head, and writes events.
/// </remarks>
internal sealed class WaitingStream : IAsyncDisposable
{
    /// <summary>What is decided sooner stays an ordinary answer, whose status clients act on.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(250);

    /// <summary>A client that has not taken a few hundred bytes by then does not read.</summary>
    public static readonly TimeSpan ClientLimit = TimeSpan.FromSeconds(10);

    private static readonly Task<FlushResult> Nothing = Task.FromResult(default(FlushResult));

    private readonly HttpContext context;
    private readonly ErrorShape errors;
    private readonly TimeSpan interval;
    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private Func<WaitStatus>? status;
    private ITimer? timer;
    private Task<FlushResult> written = Nothing;
    private bool hasBegun;
    private bool isOver;

    private WaitingStream(HttpContext context, ErrorShape errors, TimeSpan interval, TimeProvider time)
    {
        this.context = context;
        this.errors = errors;
        this.interval = interval;
        this.time = time;
    }

    /// <summary>For the head, where it is known before the answer.</summary>
    public string? Session { private get; set; }

    /// <summary>The last comment has gone. Awaited only after <see cref="End"/>.</summary>
    public Task<FlushResult> Written => written;

    /// <summary>For a request that asks for a stream; disposed of when it has been answered.</summary>
    public static WaitingStream For(HttpContext context, ErrorShape errors, TimeSpan interval, TimeProvider time)
    {
        var waiting = new WaitingStream(context, errors, interval, time);
        context.Features.Set(waiting);
        return waiting;
    }

    /// <summary>Null: the request asks for no stream.</summary>
    public static WaitingStream? Of(HttpContext context) => context.Features.Get<WaitingStream>();

    /// <summary>The request waits, and that is what its client is told from now on. From any thread; does not block.</summary>
    public void Begin(Func<WaitStatus> told)
    {
        lock (gate)
        {
            status = told;
            if (!isOver)
                timer ??= time.CreateTimer(static s => ((WaitingStream)s!).Tick(), this, Grace, interval);
        }
    }

    /// <summary>The wait for a model is over. A client that has the head hears more until the answer begins.</summary>
    public void Admitted(string model)
    {
        lock (gate)
        {
            if (timer is null)
                return;
            status = () => WaitStatus.Admitted(model);
            if (!hasBegun)
                Stop();
        }
    }

    /// <summary>No comment is begun any more, until the request waits again.</summary>
    /// <returns>True: the client has the head of an event stream.</returns>
    public bool End()
    {
        lock (gate)
        {
            Stop();
            return hasBegun;
        }
    }

    /// <summary>Ends the stream, whose head the client has, with an error event.</summary>
    public async Task FailAsync(StreamFailure failure)
    {
        if (!await IsTakenAsync())
            return;
        PipeWriter client = context.Response.BodyWriter;
        StreamError.Write(client, failure, errors);
        written = client.FlushAsync().AsTask();
        if (await IsTakenAsync())
            await BrokenStream.CloseAsync(context);
    }

    /// <summary>Afterwards the server may use the response for another request of the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            isOver = true;
            Stop();
        }
        await IsTakenAsync();
    }

    private void Stop()
    {
        timer?.Dispose();
        timer = null;
    }

    private void Tick()
    {
        lock (gate)
        {
            // A client that has not taken the last comment gets no other: nothing piles up for it.
            if (timer is null || !written.IsCompletedSuccessfully || written.Result.IsCompleted)
                return;
            bool isFirst = !hasBegun;
            hasBegun = true;
            written = WriteAsync(isFirst, status!);
        }
    }

    private async Task<FlushResult> WriteAsync(bool isFirst, Func<WaitStatus> told)
    {
        HttpResponse response = context.Response;
        if (isFirst)
        {
            response.ContentType = "text/event-stream";
            AnswerHeaders.SetUnbuffered(response);
            if (Session is not null)
                response.Headers[AnswerHeaders.Session] = Session;
            await response.StartAsync(CancellationToken.None);
        }
        response.BodyWriter.Write(Encoding.UTF8.GetBytes(Comment(told())));
        return await response.BodyWriter.FlushAsync();
    }

    /// <summary>False: the client has gone, or does not read and was closed.</summary>
    private async ValueTask<bool> IsTakenAsync()
    {
        try
        {
            return !(await written.WaitAsync(ClientLimit, time)).IsCompleted;
        }
        catch (TimeoutException)
        {
            context.Abort();
            return false;
        }
    }

    private static string Comment(WaitStatus told)
    {
        var text = new StringBuilder(": hotmodel state=").Append(told.State);
        if (told.Model is { } model)
            text.Append(" model=").Append(AnswerHeaders.Word(model));
        if (told.Percent is { } percent)
            text.Append(CultureInfo.InvariantCulture, $" pct={percent}");
        if (told.Position is { } position)
            text.Append(CultureInfo.InvariantCulture, $" position={position}");
        return text.Append("\n\n").ToString();
    }
}
