using HotModel.Http;

namespace HotModel.Proxy;

internal enum ForwardStage { Connect, ResponseHead, ResponseBody }

internal enum Culprit { Upstream, Client, Switch }

/// <summary>How far a forwarded request came, and who ended it.</summary>
/// <param name="Stage">What was going on.</param>
/// <param name="Culprit">Who ended it.</param>
/// <param name="Message">One sentence for the client.</param>
internal sealed record ForwardError(ForwardStage Stage, Culprit Culprit, string Message)
{
    /// <summary>The server was there to the end of the exchange, so its model cannot be lost.</summary>
    public bool IsOfALiveServer { get; init; }

    public string Code => Culprit switch
    {
        Culprit.Client => "client_gone",
        Culprit.Switch => "answer_aborted",
        Culprit.Upstream => Stage switch
        {
            ForwardStage.Connect => "upstream_unreachable",
            ForwardStage.ResponseHead => "upstream_failed",
            ForwardStage.ResponseBody => "upstream_cut",
        },
    };

    /// <summary>The same of an answer that would have become part of a conversation.</summary>
    public ForwardError OfConversation() => this with { Message = $"{Message} Nothing of the answer was stored." };

    /// <summary>The error of a request whose scope has ended, whatever exception that showed itself as.</summary>
    public static ForwardError? Of(RequestScope scope, ForwardStage stage) => scope.Cause switch
    {
        EndCause.None => null,
        EndCause.ClientGone => new(stage, Culprit.Client, "The client left."),
        EndCause.ClientStalled => new(stage, Culprit.Client,
            "The client took nothing of its answer while another model was waited for (stalled_client_timeout_seconds)."),
        EndCause.LeaseAborted => new(stage, Culprit.Switch,
            "The model was taken away before the answer was complete (a forced switch, a model that was lost, or the "
            + "server's stop); send the request again."),
        EndCause.Stalled => new(stage, Culprit.Upstream,
            "The model sent nothing for too long, and the answer was given up.")
        {
            IsOfALiveServer = true,
        },
    };
}

/// <summary>Exactly one of the two is set. The reply is the caller's to dispose.</summary>
internal readonly record struct ForwardResult(HttpReply? Reply, ForwardError? Error);
