using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace HotModel.FunctionalTests.FaultTable;

/// <summary>A client with a conversation of its own, and what it gets.</summary>
internal sealed class TalkingClient : IDisposable
{
    private const int AnswerWords = 8;
    private static int lastId;

    private readonly string session = $"talk{Interlocked.Increment(ref lastId)}";
    private readonly FaultServer server;
    private readonly Words words;
    private readonly CancellationTokenSource leave = new();
    private readonly TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private StreamedAnswer? answer;
    private bool isWhole;

    public TalkingClient(FaultServer server, Words words, bool isStream)
    {
        this.server = server;
        this.words = words;
        Told = TellAsync(isStream);
    }

    /// <summary>What became of the answer.</summary>
    public Task<string> Told { get; }

    /// <summary>Some words of the answer are there.</summary>
    public Task Begun => begun.Task;

    public void Leave()
    {
        leave.Cancel();
        answer?.Dispose();
    }

    /// <summary>Null: the conversation is stored if, and only if, the client has the whole answer; and once.</summary>
    public async Task<string?> StoredAsync()
    {
        var reply = await server.Api.GetAsync("admin/sessions/" + session);
        var turns = reply.Status == 200 ? reply.Json["history"]!.AsArray().Count : 0;
        return turns == (isWhole ? 2 : 0) ? null
            : $"{turns} messages are stored of an answer that was {(isWhole ? "" : "not ")}whole: {await Told}";
    }

    public void Dispose()
    {
        leave.Dispose();
        answer?.Dispose();
    }

    private async Task<string> TellAsync(bool isStream)
    {
        try
        {
            var body = Chats.Request("hello", AnswerWords);
            (body["session_id"], body["stream"]) = (session, isStream);
            answer = await server.Api.BeginAsync("v1/chat/completions", body.ToJsonString(), leave.Token);
            return isStream && answer.Status == 200 ? await TellStreamAsync(answer) : await TellBodyAsync(answer);
        }
        catch (Exception e) when (leave.IsCancellationRequested)
        {
            Assert.True(e is OperationCanceledException or IOException or ObjectDisposedException, e.ToString());
            return "leaves";
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused }
                ? "connection refused" : "connection closed";
        }
    }

    private async Task<string> TellStreamAsync(StreamedAnswer stream)
    {
        while (await stream.NextAsync() is not null)
        {
            if (stream.Content.Length > 0)
                begun.TrySetResult();
        }
        if (stream.Error is { } error)
            return words.OfError(200, error);
        return stream is { IsDone: true, FinishReason: not null } ? Whole(stream.Content) : "ends without a word";
    }

    private async Task<string> TellBodyAsync(StreamedAnswer reply)
    {
        var text = await reply.BodyAsync();
        var json = JsonNode.Parse(text);
        return reply.Status == 200 ? Whole((string?)json?["choices"]?[0]?["message"]?["content"] ?? "")
            : words.OfError(reply.Status, json?["error"]);
    }

    private string Whole(string content)
    {
        isWhole = true;
        foreach (var model in (string[])["a", "b"])
        {
            if (content == string.Concat(Enumerable.Range(0, AnswerWords).Select(i => $" {model}{i}")))
                return $"whole, from `{model}`";
        }
        return $"whole, but \"{content}\"";
    }
}
